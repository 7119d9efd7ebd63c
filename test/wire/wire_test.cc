// proto/cri/v1/api.proto, as compiled into a program, against the table of the
// wire format of CRI v1.

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "proto/cri/v1/api.grpc.pb.h"
#include "proto/cri/v1/api.pb.h"
#include "runtime/base/testing/status_matchers.h"
#include "test/wire/describe.h"
#include "test/wire/table.h"

namespace gantry::wiretest {
namespace {

using google::protobuf::FileDescriptor;
using ::testing::ElementsAre;
using ::testing::StartsWith;

const FileDescriptor& CompiledFile() {
  return *runtime::v1::VersionRequest::descriptor()->file();
}

class WireTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file("test/wire/cri_v1_wire.tsv");
    ASSERT_TRUE(file) << "no test/wire/cri_v1_wire.tsv in the runfiles";
    std::stringstream text;
    text << file.rdbuf();
    absl::StatusOr<std::vector<Row>> rows = ParseTable(text.str());
    ASSERT_TRUE(rows.ok()) << rows.status();
    table_ = *std::move(rows);
    compiled_ = DescribeFile(CompiledFile());
  }

  // The row of the table with these names; the test must be able to rely on it.
  Row& TableRow(const std::string& parent, const std::string& name) {
    for (Row& row : table_) {
      if (row.parent == parent && row.name == name) return row;
    }
    ADD_FAILURE() << "no row " << parent << "." << name;
    return table_.front();
  }

  std::vector<Row> table_;
  std::vector<Row> compiled_;
};

TEST_F(WireTest, EveryRowOfTheTableAndNothingElseIsCompiled) {
  for (const std::string& difference : CompareTables(table_, compiled_)) {
    ADD_FAILURE() << difference;
  }
}

TEST_F(WireTest, HasTheCountsOfCriV1) {
  for (const std::vector<Row>* rows : {&table_, &compiled_}) {
    EXPECT_EQ(CountKind(*rows, "rpc"), 43);
    EXPECT_EQ(CountKind(*rows, "field"), 478);
    EXPECT_EQ(CountKind(*rows, "enum"), 95);
    EXPECT_EQ(CountKind(*rows, "message"), 18);
    EXPECT_EQ(rows->size(), 43 + 478 + 95 + 18);
  }
}

TEST_F(WireTest, ServicesHaveTheNamesThatClientsCall) {
  EXPECT_EQ(CompiledFile().package(), "runtime.v1");
  EXPECT_EQ(CompiledFile().syntax(), FileDescriptor::SYNTAX_PROTO3);
  EXPECT_EQ(CompiledFile().dependency_count(), 0);
  EXPECT_STREQ(runtime::v1::RuntimeService::service_full_name(),
               "runtime.v1.RuntimeService");
  EXPECT_STREQ(runtime::v1::ImageService::service_full_name(),
               "runtime.v1.ImageService");
}

// The comparison must see a single number, row or column that is not right.

TEST_F(WireTest, AWrongNumberIsSeen) {
  TableRow("LinuxContainerSecurityContext", "run_as_group").number = "6";
  EXPECT_THAT(CompareTables(table_, compiled_),
              ElementsAre("field LinuxContainerSecurityContext.run_as_group: "
                          "number is \"12\", not \"6\""));
}

TEST_F(WireTest, AWrongTypeOfANestedEnumIsSeen) {
  TableRow("SecurityProfile", "profile_type").type = "enum:Protocol";
  EXPECT_THAT(CompareTables(table_, compiled_),
              ElementsAre("field SecurityProfile.profile_type: type is "
                          "\"enum:ProfileType\", not \"enum:Protocol\""));
}

TEST_F(WireTest, AnRpcThatShouldStreamIsSeen) {
  TableRow("ImageService", "ListImages").label = "stream";
  EXPECT_THAT(CompareTables(table_, compiled_),
              ElementsAre("rpc ImageService.ListImages: label is \"unary\", "
                          "not \"stream\""));
}

TEST_F(WireTest, AFieldThatIsNotCompiledIsSeen) {
  table_.push_back({"field", "Mount", "colour", "99", "singular", "string"});
  EXPECT_THAT(CompareTables(table_, compiled_),
              ElementsAre(StartsWith("missing: field Mount.colour")));
}

TEST_F(WireTest, AFieldThatIsNotInTheTableIsSeen) {
  Row& row = TableRow("Mount", "propagation");
  row = table_.back();
  table_.pop_back();
  EXPECT_THAT(
      CompareTables(table_, compiled_),
      ElementsAre(StartsWith("not in the table: field Mount.propagation")));
}

}  // namespace
}  // namespace gantry::wiretest
