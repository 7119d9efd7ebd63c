// Writes a compiled protobuf file as rows of a wire table.

#ifndef GANTRY_TEST_WIRE_DESCRIBE_H_
#define GANTRY_TEST_WIRE_DESCRIBE_H_

#include <vector>

#include "google/protobuf/descriptor.h"
#include "test/wire/table.h"

namespace gantry::wiretest {

// Every RPC, field, enum value and message without fields of `file`, nested
// types included, imports not. What proto3 and CRI have no use for gets a label
// that no table has: "optional", "required", "repeated unpacked", "client
// stream", "bidirectional stream", "extension". Types of other files are named
// in full.
std::vector<Row> DescribeFile(const google::protobuf::FileDescriptor& file);

}  // namespace gantry::wiretest

#endif  // GANTRY_TEST_WIRE_DESCRIBE_H_
