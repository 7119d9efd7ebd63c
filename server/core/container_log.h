// The file a container's output goes to, in CRI's log format.

#ifndef GANTRY_SERVER_CORE_CONTAINER_LOG_H_
#define GANTRY_SERVER_CORE_CONTAINER_LOG_H_

#include <fcntl.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::core {

// Opens the log at the absolute `path` for appending, made if it is not there
// (0640), with its directory (0755). Blocks for a few file system calls.
inline absl::StatusOr<UniqueFd> OpenContainerLog(const std::string& path) {
  RETURN_IF_ERROR(
      sys::MkdirAllAt(AT_FDCWD, path.substr(0, path.find_last_of('/')), 0755));
  ASSIGN_OR_RETURN(
      UniqueFd log,
      sys::OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW,
                  0640),
      "open the container's log");
  return log;
}

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CONTAINER_LOG_H_
