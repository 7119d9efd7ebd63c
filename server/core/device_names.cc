#include "server/core/device_names.h"

#include <fcntl.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/sys/file.h"

namespace gantry::core {

std::string BlockDeviceName(uint32_t major, uint32_t minor) {
  const std::string number = absl::StrCat(major, ":", minor);
  // A link to the device's directory, which is named after it.
  absl::StatusOr<std::string> target =
      sys::ReadlinkAt(AT_FDCWD, absl::StrCat("/sys/dev/block/", number));
  if (!target.ok()) return number;
  return absl::StrCat("/dev/", target->substr(target->rfind('/') + 1));
}

}  // namespace gantry::core
