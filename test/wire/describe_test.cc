#include "test/wire/describe.h"

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace gantry::wiretest {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptorProto;
using google::protobuf::TextFormat;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// Describes a proto3 file of package harbour.v1 with this body. Beside it, in
// package other, there is a message Crane.
std::vector<Row> Describe(const std::string& body) {
  DescriptorPool pool;
  FileDescriptorProto other;
  EXPECT_TRUE(TextFormat::ParseFromString(
      R"(name: "other.proto" package: "other" syntax: "proto3"
         message_type { name: "Crane" })",
      &other));
  EXPECT_NE(pool.BuildFile(other), nullptr);
  FileDescriptorProto proto;
  EXPECT_TRUE(TextFormat::ParseFromString(
      R"(name: "harbour.proto" package: "harbour.v1" syntax: "proto3"
         dependency: "other.proto" )" +
          body,
      &proto));
  const google::protobuf::FileDescriptor* file = pool.BuildFile(proto);
  if (file == nullptr) {
    ADD_FAILURE() << "not a valid file: " << body;
    return {};
  }
  return DescribeFile(*file);
}

TEST(DescribeFile, NamesTypesOfFieldsAndTheirOneof) {
  EXPECT_THAT(
      Describe(R"(
        message_type {
          name: "Ship"
          field { name: "id" number: 3 label: LABEL_OPTIONAL type: TYPE_INT64
                  oneof_index: 0 }
          field { name: "cargo" number: 4 label: LABEL_REPEATED
                  type: TYPE_MESSAGE type_name: ".harbour.v1.Ship" }
          field { name: "crane" number: 5 label: LABEL_OPTIONAL
                  type: TYPE_MESSAGE type_name: ".other.Crane"
                  options { deprecated: true } }
          oneof_decl { name: "key" }
        })"),
      UnorderedElementsAre(
          Row{"field", "Ship", "id", "3", "singular", "int64", "key", ""},
          Row{"field", "Ship", "cargo", "4", "repeated", "message:Ship", "",
              ""},
          Row{"field", "Ship", "crane", "5", "singular", "message:other.Crane",
              "", "deprecated"}));
}

TEST(DescribeFile, NamesNestedTypesByTheOuterOne) {
  EXPECT_THAT(
      Describe(R"(
        message_type {
          name: "Ship"
          field { name: "flag" number: 1 label: LABEL_OPTIONAL type: TYPE_ENUM
                  type_name: ".harbour.v1.Ship.Flag" }
          enum_type { name: "Flag" value { name: "RED" number: 0 } }
          nested_type { name: "Empty" }
        })"),
      UnorderedElementsAre(
          Row{"field", "Ship", "flag", "1", "singular", "enum:Flag", "", ""},
          Row{"enum", "Ship.Flag", "RED", "0", "", "", "", ""},
          Row{"message", "Ship.Empty", "", "", "", "", "", ""}));
}

TEST(DescribeFile, AMapIsOneRow) {
  EXPECT_THAT(Describe(R"(
        message_type {
          name: "Ship"
          field { name: "crew" number: 1 label: LABEL_REPEATED
                  type: TYPE_MESSAGE type_name: ".harbour.v1.Ship.CrewEntry" }
          nested_type {
            name: "CrewEntry"
            field { name: "key" number: 1 label: LABEL_OPTIONAL
                    type: TYPE_STRING }
            field { name: "value" number: 2 label: LABEL_OPTIONAL
                    type: TYPE_MESSAGE type_name: ".harbour.v1.Ship" }
            options { map_entry: true }
          }
        })"),
              ElementsAre(Row{"field", "Ship", "crew", "1", "map",
                              "map<string,message:Ship>", "", ""}));
}

TEST(DescribeFile, PresenceAndPackingShowInTheLabel) {
  EXPECT_THAT(
      Describe(R"(
        message_type {
          name: "Ship"
          field { name: "mast" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32
                  oneof_index: 0 proto3_optional: true }
          field { name: "decks" number: 2 label: LABEL_REPEATED
                  type: TYPE_INT32 options { packed: false } }
          field { name: "holds" number: 3 label: LABEL_REPEATED
                  type: TYPE_INT32 }
          oneof_decl { name: "_mast" }
        })"),
      UnorderedElementsAre(
          Row{"field", "Ship", "mast", "1", "optional", "int32", "", ""},
          Row{"field", "Ship", "decks", "2", "repeated unpacked", "int32", "",
              ""},
          Row{"field", "Ship", "holds", "3", "repeated", "int32", "", ""}));
}

TEST(DescribeFile, TellsTheStreamingKindsOfRpcsApart) {
  const std::vector<Row> rows = Describe(R"(
      message_type { name: "Ship" }
      service {
        name: "Harbour"
        method { name: "Berth" input_type: ".harbour.v1.Ship"
                 output_type: ".other.Crane" }
        method { name: "Watch" input_type: ".harbour.v1.Ship"
                 output_type: ".harbour.v1.Ship" server_streaming: true }
        method { name: "Load" input_type: ".harbour.v1.Ship"
                 output_type: ".harbour.v1.Ship" client_streaming: true }
        method { name: "Talk" input_type: ".harbour.v1.Ship"
                 output_type: ".harbour.v1.Ship" client_streaming: true
                 server_streaming: true }
      })");
  EXPECT_THAT(rows, Contains(Row{"rpc", "Harbour", "Berth", "", "unary",
                                 "Ship>other.Crane", "", ""}));
  EXPECT_THAT(rows, Contains(Row{"rpc", "Harbour", "Watch", "", "stream",
                                 "Ship>Ship", "", ""}));
  EXPECT_THAT(rows, Contains(Row{"rpc", "Harbour", "Load", "", "client stream",
                                 "Ship>Ship", "", ""}));
  EXPECT_THAT(rows, Contains(Row{"rpc", "Harbour", "Talk", "",
                                 "bidirectional stream", "Ship>Ship", "", ""}));
}

}  // namespace
}  // namespace gantry::wiretest
