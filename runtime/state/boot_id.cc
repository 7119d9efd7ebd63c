#include "runtime/state/boot_id.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::state {

absl::StatusOr<std::string> BootId(int procfd) {
  constexpr absl::string_view kPath = "sys/kernel/random/boot_id";
  constexpr size_t kLength = 36;
  ASSIGN_OR_RETURN(std::string id, sys::ReadFileAt(procfd, kPath, 64));
  absl::StripAsciiWhitespace(&id);
  if (id.size() != kLength) {
    return absl::DataLossError(
        absl::StrCat("read ", kPath, ": \"", id, "\" is no UUID"));
  }
  return id;
}

}  // namespace gantry::state
