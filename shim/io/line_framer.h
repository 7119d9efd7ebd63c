// One output stream of a container cut into records of the CRI log format:
//
//   2016-10-06T00:17:09.669794202Z stdout F a whole line
//   2016-10-06T00:17:09.669794202Z stdout P a piece of a longer line
//
// A line of more than kMaxLine bytes is written in pieces of kMaxLine tagged P
// and a last one tagged F; a stream that ends without a newline ends in a P.
// The pieces depend on the bytes only, not on how they were read.
// Format: kubernetes/cri-api, kuberuntime logs ("CRI log format"); sizes as
// containerd's max_container_log_line_size.
// Thread safety: none. Never blocks; keeps at most kMaxLine bytes.

#ifndef GANTRY_SHIM_IO_LINE_FRAMER_H_
#define GANTRY_SHIM_IO_LINE_FRAMER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "shim/io/page_buffer.h"
#include "shim/io/timestamp.h"

namespace gantry::shim {

class LineFramer {
 public:
  static constexpr size_t kMaxLine = 16 * 1024;
  // Room that a record needs at most.
  static constexpr size_t kMaxRecord = kTimestampSize + 16 + kMaxLine + 1;

  // `stream`: "stdout" or "stderr".
  explicit LineFramer(absl::string_view stream);

  // Frames `data` into `out` as far as the room there goes; returns how many
  // bytes of `data` are done. Needs kMaxRecord of room to get on for sure.
  size_t Frame(absl::string_view data, int64_t unix_nanos, PageBuffer& out);

  // The stream has ended. False if there is not enough room in `out` yet.
  bool Finish(int64_t unix_nanos, PageBuffer& out);

  // Gives back memory that is not needed now.
  void Shrink();

 private:
  // One record of the carried bytes and `text`; tag 'F' or 'P'.
  void Write(char tag, absl::string_view text, PageBuffer& out);
  void SetTime(int64_t unix_nanos);

  // "<timestamp> stdout F ", the tag replaced as needed.
  std::string header_;
  // The beginning of a line whose end has not come.
  std::string carry_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_LINE_FRAMER_H_
