// Reads what a program writes, to its end, on the loop's thread.
//
//   auto output = OutputCollector::Start(loop, executor, std::move(pipe));
//   ... exec, wait for its exit, give the pipe a moment ...
//   output->FinishNow();  // a child may keep the pipe open for ever
//   Collected all = co_await output->Wait();
//
// The first `cap` bytes are kept, the rest is read and dropped, so the writer
// never stands still.
// Thread safety: all methods from any thread; Wait by one coroutine, once.
// Ownership: closes the descriptor at its end, also when destroyed before.

#ifndef GANTRY_SERVER_SHIM_OUTPUT_COLLECTOR_H_
#define GANTRY_SERVER_SHIM_OUTPUT_COLLECTOR_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "server/work/task.h"

namespace gantry::shim_client {

inline constexpr size_t kDefaultOutputCap = 16 << 20;

struct Collected {
  std::string data;
  // More came than the cap.
  bool truncated = false;
  // Why there is not all of it, if reading failed.
  absl::Status failure;
};

class OutputCollector {
 public:
  // `fd`: the reading end of a pipe or socket, or a terminal's master. It is
  // made non-blocking. `loop` and `executor` must outlive this.
  static absl::StatusOr<std::unique_ptr<OutputCollector>> Start(
      work::LoopThread& loop, work::Executor& executor, UniqueFd fd,
      size_t cap = kDefaultOutputCap);
  ~OutputCollector();
  OutputCollector(const OutputCollector&) = delete;
  OutputCollector& operator=(const OutputCollector&) = delete;

  // Takes what has arrived so far, and no more, as the end. Does nothing after
  // the end.
  void FinishNow();

  // At the end of the output (a terminal's EIO is one), after FinishNow, or
  // when it cannot be read.
  work::Task<Collected> Wait();

 private:
  class Reader;
  explicit OutputCollector(std::shared_ptr<Reader> reader);

  std::shared_ptr<Reader> reader_;
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_OUTPUT_COLLECTOR_H_
