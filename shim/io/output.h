// The container's output: read from pipes or the pty's master, written to the
// CRI log and to attach clients.
//
// While the log takes nothing, because it cannot be written or has had its
// rate, either nothing is read (the container's writes block when its pipe is
// full) or whole lines are dropped and counted, as the policy says. A timer
// tries again.
// Ownership: of all descriptors; `loop` and `clock` must outlive this. Thread
// safety: none. Blocks only for write(2) on the log.

#ifndef GANTRY_SHIM_IO_OUTPUT_H_
#define GANTRY_SHIM_IO_OUTPUT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/base/clock.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/io/attach_outputs.h"
#include "shim/io/byte_rate.h"
#include "shim/io/line_framer.h"
#include "shim/io/log_file.h"
#include "shim/io/log_rotation.h"
#include "shim/io/page_buffer.h"

namespace gantry::shim {

struct OutputPolicy {
  // What the log does not take is dropped, else waited with.
  bool drops = false;
  // Bytes of the log per second; 0: any.
  uint64_t rate = 0;
  // Null: the log grows.
  std::unique_ptr<const LogRotation> rotation;
};

class Output {
 public:
  // `log`: opened for appending; an invalid one discards output.
  Output(sys::EpollLoop& loop, const Clock& clock, UniqueFd log,
         OutputPolicy policy);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  // Begins to read a stream: the reading end of a pipe or a pty's master.
  absl::Status AddStream(Stream stream, UniqueFd fd);

  // Later records go to `log`, at a record's boundary.
  void ReopenLog(UniqueFd log);

  AttachOutputs& attached() { return attached_; }

  // The program has ended: what it left is not held back by the rate.
  void LiftRate();

  // Reads and writes what is there without waiting for more.
  void PumpAll();
  // Gives up reading: what was read is framed (an unfinished line as a partial
  // one) and tried on the log a last time.
  void Finish();

  // Every stream has come to its end and all of it is in the log.
  bool Ended() const;
  // Bytes wait that the log does not take, or the word of what was dropped.
  bool Blocked() const { return blocked_; }

 private:
  static constexpr size_t kInputSize = 128 * 1024;
  // Bytes read from one stream before others get their turn.
  static constexpr size_t kTurn = 1024 * 1024;

  struct Source {
    Stream stream;
    UniqueFd fd;
    LineFramer framer;
    bool watched = false;
    // The last read had an error that is tried over once.
    bool failed = false;
    // Nothing more comes; the framer may hold an unfinished line.
    bool at_end = false;
    bool finished = false;
  };

  void Pump(Source& source);
  // Bytes of records that the rate lets through now.
  int64_t Allowance();
  // Whether there is room for another record, and leave to write it.
  bool TakesRecord();
  // Frames or drops what was read; false if the log is to be waited for.
  bool Consume();
  // Ends a stream after its last byte; false if it has to wait for the log.
  bool EndSource(Source& source);

  // Waits for the log: a timer calls Retry.
  void Block();
  void Retry();
  // How soon, and how much of the rate is to have come back by then.
  std::chrono::nanoseconds NextRetry();
  std::chrono::nanoseconds Refill() const;
  absl::Status Watch(Source& source);
  void Unwatch(Source& source);
  void ArmIdleTimer();
  void ReleaseIfIdle();

  sys::EpollLoop& loop_;
  const Clock& clock_;
  LogFile log_;
  const bool drops_;
  ByteRate rate_;
  AttachOutputs attached_;
  std::optional<Source> sources_[2];

  // Bytes read and not framed yet, and whose they are.
  PageBuffer input_{kInputSize};
  Source* input_owner_ = nullptr;
  int64_t input_time_ = 0;

  bool blocked_ = false;
  // The rate was used up and has not come back far enough.
  bool over_rate_ = false;
  std::optional<sys::EpollLoop::TimerId> retry_timer_;
  int retry_ms_ = 0;
  bool idle_timer_armed_ = false;
  sys::EpollLoop::TimerId idle_timer_{};
  bool active_ = false;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_OUTPUT_H_
