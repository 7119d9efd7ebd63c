// The container's CRI log: bytes that wait and the file they go to.
//
// Nothing is lost or reordered when the file cannot be written: bytes wait
// until a later Flush. Ownership: of the descriptor. Thread safety: none.
// Blocks only for write(2) on the file.

#ifndef GANTRY_SHIM_IO_LOG_FILE_H_
#define GANTRY_SHIM_IO_LOG_FILE_H_

#include <cstddef>

#include "runtime/base/unique_fd.h"
#include "shim/io/page_buffer.h"

namespace gantry::shim {

class LogFile {
 public:
  // Waiting bytes beyond which it is time to Flush, and room in all.
  static constexpr size_t kEnough = 192 * 1024;
  static constexpr size_t kCapacity = 256 * 1024;

  // `fd`: opened for appending; an invalid one discards everything.
  explicit LogFile(UniqueFd fd);

  bool discards() const { return !fd_.valid(); }

  // Where records are framed into; Acquire() before.
  PageBuffer& buffer() { return buffer_; }

  // Writes what waits. False if some of it could not be written.
  bool Flush();

  // Later bytes go to `fd`. What waits is first tried on the old file; what
  // that does not take goes to the new one, from the beginning of its record,
  // so that a record stands in one file whole.
  void SwitchTo(UniqueFd fd);

 private:
  UniqueFd fd_;
  PageBuffer buffer_{kCapacity};
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_LOG_FILE_H_
