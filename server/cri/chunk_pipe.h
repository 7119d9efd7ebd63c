// The writing end of a pipe, fed chunk by chunk without a thread that waits for
// its reader: a full pipe is watched on the loop.
//
// Ownership: shared; the loop holds it while a chunk is being written.
// Thread safety: all methods from any thread; one Write at a time. The process
// must ignore SIGPIPE.

#ifndef GANTRY_SERVER_CRI_CHUNK_PIPE_H_
#define GANTRY_SERVER_CRI_CHUNK_PIPE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "runtime/base/unique_fd.h"
#include "server/work/loop_thread.h"

namespace gantry::cri {

class ChunkPipe : public std::enable_shared_from_this<ChunkPipe> {
 public:
  using Done = absl::AnyInvocable<void(bool written)>;

  // `write_end` is O_NONBLOCK; `loop` must outlive the last use.
  ChunkPipe(UniqueFd write_end, work::LoopThread& loop)
      : fd_(std::move(write_end)), loop_(loop) {}

  // `done` is called on the loop's thread: false if the reader has gone or the
  // pipe was closed.
  void Write(std::string chunk, Done done);

  // The reader sees the end of the stream. A Write under way ends with false.
  void Close();

 private:
  // All of these on the loop's thread.
  void Continue();
  void End(bool written);

  UniqueFd fd_;
  work::LoopThread& loop_;
  std::string chunk_;
  size_t written_ = 0;
  Done done_;
  bool watched_ = false;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_CHUNK_PIPE_H_
