// The container's CRI log: bytes that wait and the file they go to.
//
// Nothing is lost or reordered when the file cannot be written: bytes wait
// until a later Flush. Where the log is rotated no file grows beyond its size,
// and each record stands in one file whole; a rotation that fails is tried
// again when the file has grown by another quarter. Ownership: of the
// descriptor. Thread safety: none. Blocks only for write(2) on the file, and
// for a rotation.

#ifndef GANTRY_SHIM_IO_LOG_FILE_H_
#define GANTRY_SHIM_IO_LOG_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "shim/io/log_rotation.h"
#include "shim/io/page_buffer.h"

namespace gantry::shim {

class LogFile {
 public:
  // Waiting bytes beyond which it is time to Flush, and room in all.
  static constexpr size_t kEnough = 192 * 1024;
  static constexpr size_t kCapacity = 256 * 1024;

  // `fd`: opened for appending; an invalid one discards everything. Without
  // `rotation` the file grows.
  explicit LogFile(UniqueFd fd,
                   std::unique_ptr<const LogRotation> rotation = nullptr);

  bool discards() const { return !fd_.valid(); }

  // Where records are framed into; Acquire() before.
  PageBuffer& buffer() { return buffer_; }

  // Writes what waits. False if some of it could not be written.
  bool Flush();

  // Later bytes go to `fd`. What waits is first tried on the old file; what
  // that does not take goes to the new one, from the beginning of its record,
  // so that a record stands in one file whole. If the log was rotated after
  // `fd` was opened, the new log is taken in its place.
  void SwitchTo(UniqueFd fd);

 private:
  void Use(UniqueFd fd);
  // Whether the last byte written was not the end of a record.
  bool InRecord();
  // The bytes that go to the file next; rotates it first if they don't fit.
  absl::string_view NextPiece();
  void Rotate();

  UniqueFd fd_;
  const std::unique_ptr<const LogRotation> rotation_;
  // Kept with rotation only: of the file, and where the next one is due.
  uint64_t size_ = 0;
  uint64_t rotate_at_ = 0;
  PageBuffer buffer_{kCapacity};
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_LOG_FILE_H_
