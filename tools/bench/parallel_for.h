// The same work for many numbers, by some threads at once.
//
// Blocks until all of them are through. Header only: nothing is kept.

#ifndef GANTRY_TOOLS_BENCH_PARALLEL_FOR_H_
#define GANTRY_TOOLS_BENCH_PARALLEL_FOR_H_

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry::bench {

// Calls work(thread, index) for the indices below `count`, each once, in their
// order, with the threads numbered below `threads`. Takes up no further index
// after an error or once goes_on() is false; what is under way is waited for.
// How many were done, or the first thread's error.
template <typename GoesOn, typename Work>
absl::StatusOr<int> ParallelFor(int threads, int count, const GoesOn& goes_on,
                                const Work& work) {
  std::atomic<int> next{0};
  std::atomic<int> done{0};
  std::atomic<bool> failed{false};
  threads = std::max(1, std::min(threads, count));
  std::vector<absl::Status> statuses(static_cast<size_t>(threads));
  std::vector<std::thread> running;
  for (int thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      while (!failed.load() && goes_on()) {
        const int index = next.fetch_add(1);
        if (index >= count) return;
        statuses[thread] = work(thread, index);
        if (!statuses[thread].ok()) return failed.store(true);
        done.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return done.load();
}

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_PARALLEL_FOR_H_
