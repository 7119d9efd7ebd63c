// The container's standard input: what attach clients send goes to one pipe
// (or the pty's master).
//
// At most one piece of kPiece bytes waits; while it does no client is read.
// Ownership: of all descriptors; `loop` must outlive this. Thread safety: none.
// Never blocks.

#ifndef GANTRY_SHIM_IO_INPUT_H_
#define GANTRY_SHIM_IO_INPUT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {

class Input {
 public:
  static constexpr size_t kPiece = 16 * 1024;

  // `once`: Close when the first client's input ends.
  Input(sys::EpollLoop& loop, bool once) : loop_(loop), once_(once) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input() { CloseAll(); }

  // Where input goes; non-blocking from here on. Called once.
  absl::Status SetTarget(UniqueFd fd);
  // Whether the container can still receive input.
  bool open() const { return target_.valid() && !closing_; }

  // Input of one attach client. FAILED_PRECONDITION when not open().
  absl::Status AddSource(UniqueFd fd);

  // Closes the container's input once what waits is delivered.
  void Close();

 private:
  void OnTarget(uint32_t events);
  void OnSource(int fd);
  void DropSource(int fd);
  // Tries to deliver what waits.
  void Deliver();
  void SetPaused(bool paused);
  void CloseAll();

  sys::EpollLoop& loop_;
  const bool once_;
  UniqueFd target_;
  bool closing_ = false;
  // What waits for room in the target; while it does no source is watched.
  std::string pending_;
  bool paused_ = false;
  // The last read or write had an error that is tried over once.
  bool failed_ = false;
  std::vector<UniqueFd> sources_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_INPUT_H_
