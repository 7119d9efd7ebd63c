#include "server/cri/check_windows.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "runtime/base/status.h"
#include "server/cri/check.h"

namespace gantry::cri {

absl::Status CheckNoWindows(absl::string_view field,
                            const google::protobuf::Message& windows) {
  const google::protobuf::Reflection& reflection = *windows.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  reflection.ListFields(windows, &set);
  for (const google::protobuf::FieldDescriptor* part : set) {
    const std::string path = absl::StrCat(field, ".", part->name());
    const bool nests =
        !part->is_repeated() &&
        part->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE;
    if (!nests) return BadField(path, "is of Windows nodes only");
    RETURN_IF_ERROR(CheckNoWindows(path, reflection.GetMessage(windows, part)));
  }
  return absl::OkStatus();
}

}  // namespace gantry::cri
