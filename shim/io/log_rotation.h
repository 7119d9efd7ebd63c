// A log that gets a new file when it is large: LOG is renamed to LOG.1, what
// was LOG.1 to LOG.2, and so on; of the old ones the newest are kept.
//
// For hosts where nobody else does it. Somebody who does (a kubelet renames the
// log and has it reopened) is not disturbed: a log that is no longer the file
// at its path is left alone. Ownership: none; descriptors stay the caller's.
// Thread safety: none. Blocks for a few file system calls.

#ifndef GANTRY_SHIM_IO_LOG_ROTATION_H_
#define GANTRY_SHIM_IO_LOG_ROTATION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"

namespace gantry::shim {

struct LogRotation {
  // Absolute, of the log. Its directory is the host's: nobody in the container
  // is to write there.
  std::string path;
  // Bytes beyond which a file does not grow; a record is less.
  uint64_t max_size = 0;
  // With the log itself, at least 2.
  uint32_t max_files = 0;

  // Whether `log` is the file at `path`.
  bool IsCurrent(int log) const;

  // The file at `path`, made if it is not there, opened for appending.
  absl::StatusOr<UniqueFd> Open() const;

  // Makes `log` the newest of the old files, and a new one at `path`, opened
  // for appending. FAILED_PRECONDITION if `log` is not at `path`. After an
  // error `log` is still at `path`, if that could be.
  absl::StatusOr<UniqueFd> Rotate(int log) const;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_LOG_ROTATION_H_
