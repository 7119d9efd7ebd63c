// One output stream of a container cut into records of the CRI log format:
//
//   2016-10-06T00:17:09.669794202Z stdout F a whole line
//   2016-10-06T00:17:09.669794202Z stdout P a piece of a longer line
//
// A line of more than kMaxLine bytes is written in pieces of kMaxLine tagged P
// and a last one tagged F; a stream that ends without a newline ends in a P.
// The pieces depend on the bytes only, not on how they were read.
//
// What is dropped in place of being framed is dropped to the end of a line, and
// in its place stands how many lines lack anything, and how many bytes in all,
// newlines too:
//
//   2016-10-06T00:17:09.669794202Z stdout F [gantry] dropped 2 lines, 34 bytes
//
// If first pieces of such a line stand in the log, an empty one tagged F ends
// them.
// Format: kubernetes/cri-api, kuberuntime logs ("CRI log format"); sizes as
// containerd's max_container_log_line_size.
// Thread safety: none. Never blocks; keeps at most kMaxLine bytes.

#ifndef GANTRY_SHIM_IO_LINE_FRAMER_H_
#define GANTRY_SHIM_IO_LINE_FRAMER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/string_view.h"
#include "shim/io/page_buffer.h"
#include "shim/io/timestamp.h"

namespace gantry::shim {

class LineFramer {
 public:
  static constexpr size_t kMaxLine = 16 * 1024;
  // Room that a record needs at most, and what tells of dropped lines.
  static constexpr size_t kMaxRecord = kTimestampSize + 16 + kMaxLine + 1;
  static constexpr size_t kMaxMarker = 256;

  // `stream`: "stdout" or "stderr".
  explicit LineFramer(absl::string_view stream);

  // Frames `data` into `out` as far as the room there goes; returns how many
  // bytes of `data` are done. Needs kMaxRecord of room to get on for sure. What
  // is left of a line that was dropped is dropped too.
  // `allowance`: bytes of records; each makes it less, and none is begun when
  // it is not positive.
  size_t Frame(absl::string_view data, int64_t unix_nanos, PageBuffer& out,
               int64_t& allowance);
  size_t Frame(absl::string_view data, int64_t unix_nanos, PageBuffer& out) {
    int64_t any = std::numeric_limits<int64_t>::max();
    return Frame(data, unix_nanos, out, any);
  }

  // Counts `data`, not empty, and what waits for the end of its line, in place
  // of framing it.
  void Drop(absl::string_view data);
  // Tells of what was dropped, if it was and its last line has ended: Frame
  // would, but nothing may come. False if there is not enough room in `out`.
  bool EndGap(int64_t unix_nanos, PageBuffer& out);

  // The stream has ended. False if there is not enough room in `out` yet.
  bool Finish(int64_t unix_nanos, PageBuffer& out);

  // Gives back memory that is not needed now.
  void Shrink();

 private:
  // What was dropped and is not told of yet.
  struct Gap {
    uint64_t lines = 0;
    uint64_t bytes = 0;  // 0: there is none
    // The last of the lines has not ended.
    bool in_line = false;
  };

  // One record of the carried bytes and `text`; tag 'F' or 'P'. Its size.
  size_t Write(char tag, absl::string_view text, PageBuffer& out);
  // The records that tell of gap_.
  size_t WriteMarker(PageBuffer& out);
  void SetTime(int64_t unix_nanos);

  // "<timestamp> stdout F ", the tag replaced as needed.
  std::string header_;
  // The beginning of a line whose end has not come.
  std::string carry_;
  // Pieces of a line stand in the log, its end does not.
  bool in_pieces_ = false;
  Gap gap_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_LINE_FRAMER_H_
