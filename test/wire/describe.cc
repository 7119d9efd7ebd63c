#include "test/wire/describe.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"

namespace gantry::wiretest {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;

std::string DeprecatedNote(bool deprecated) {
  return deprecated ? "deprecated" : "";
}

// The name of a type as a field of `user` refers to it: types of the same file
// by their own name, others by their full one.
template <typename Type>
std::string ReferredName(const Type& type, const FileDescriptor& user) {
  return type.file() == &user ? type.name() : type.full_name();
}

// The name of a type without its package: "Outer.Inner".
template <typename Type>
std::string LocalName(const Type& type) {
  const std::string& package = type.file()->package();
  return package.empty() ? type.full_name()
                         : type.full_name().substr(package.size() + 1);
}

std::string ValueType(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_MESSAGE:
      return absl::StrCat("message:",
                          ReferredName(*field.message_type(), *field.file()));
    case FieldDescriptor::TYPE_ENUM:
      return absl::StrCat("enum:",
                          ReferredName(*field.enum_type(), *field.file()));
    default:
      return field.type_name();
  }
}

std::string FieldType(const FieldDescriptor& field) {
  if (!field.is_map()) return ValueType(field);
  return absl::StrCat("map<", ValueType(*field.message_type()->map_key()), ",",
                      ValueType(*field.message_type()->map_value()), ">");
}

std::string FieldLabel(const FieldDescriptor& field) {
  if (field.is_extension()) return "extension";
  if (field.is_map()) return "map";
  if (field.is_repeated()) {
    const bool unpacked = field.is_packable() && !field.is_packed();
    return unpacked ? "repeated unpacked" : "repeated";
  }
  if (field.is_required()) return "required";
  return field.has_optional_keyword() ? "optional" : "singular";
}

Row DescribeField(const std::string& parent, const FieldDescriptor& field) {
  Row row;
  row.kind = "field";
  row.parent = parent;
  row.name = field.name();
  row.number = absl::StrCat(field.number());
  row.label = FieldLabel(field);
  row.type = FieldType(field);
  if (field.real_containing_oneof() != nullptr) {
    row.oneof = field.real_containing_oneof()->name();
  }
  row.note = DeprecatedNote(field.options().deprecated());
  return row;
}

void DescribeEnum(const EnumDescriptor& type, std::vector<Row>& rows) {
  for (int i = 0; i < type.value_count(); ++i) {
    Row row;
    row.kind = "enum";
    row.parent = LocalName(type);
    row.name = type.value(i)->name();
    row.number = absl::StrCat(type.value(i)->number());
    row.note = DeprecatedNote(type.value(i)->options().deprecated());
    rows.push_back(row);
  }
}

void DescribeMessage(const Descriptor& type, std::vector<Row>& rows) {
  // The entries of a map are part of its field's row.
  if (type.options().map_entry()) return;
  const std::string name = LocalName(type);
  if (type.field_count() == 0) {
    Row row;
    row.kind = "message";
    row.parent = name;
    row.note = DeprecatedNote(type.options().deprecated());
    rows.push_back(row);
  }
  for (int i = 0; i < type.field_count(); ++i) {
    rows.push_back(DescribeField(name, *type.field(i)));
  }
  for (int i = 0; i < type.extension_count(); ++i) {
    rows.push_back(DescribeField(name, *type.extension(i)));
  }
  for (int i = 0; i < type.enum_type_count(); ++i) {
    DescribeEnum(*type.enum_type(i), rows);
  }
  for (int i = 0; i < type.nested_type_count(); ++i) {
    DescribeMessage(*type.nested_type(i), rows);
  }
}

std::string StreamingKind(const MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? "bidirectional stream" : "client stream";
  }
  return method.server_streaming() ? "stream" : "unary";
}

Row DescribeMethod(const MethodDescriptor& method) {
  const FileDescriptor& file = *method.file();
  Row row;
  row.kind = "rpc";
  row.parent = LocalName(*method.service());
  row.name = method.name();
  row.label = StreamingKind(method);
  row.type = absl::StrCat(ReferredName(*method.input_type(), file), ">",
                          ReferredName(*method.output_type(), file));
  row.note = DeprecatedNote(method.options().deprecated());
  return row;
}

}  // namespace

std::vector<Row> DescribeFile(const FileDescriptor& file) {
  std::vector<Row> rows;
  for (int i = 0; i < file.service_count(); ++i) {
    for (int j = 0; j < file.service(i)->method_count(); ++j) {
      rows.push_back(DescribeMethod(*file.service(i)->method(j)));
    }
  }
  for (int i = 0; i < file.message_type_count(); ++i) {
    DescribeMessage(*file.message_type(i), rows);
  }
  for (int i = 0; i < file.enum_type_count(); ++i) {
    DescribeEnum(*file.enum_type(i), rows);
  }
  for (int i = 0; i < file.extension_count(); ++i) {
    rows.push_back(DescribeField("", *file.extension(i)));
  }
  return rows;
}

}  // namespace gantry::wiretest
