// CPU time per second of many objects, out of what is read of them now and
// then.
//
// Thread safety: all methods from any thread. Nothing blocks.

#ifndef GANTRY_SERVER_CORE_CPU_RATES_H_
#define GANTRY_SERVER_CORE_CPU_RATES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace gantry::core {

class CpuRates {
 public:
  // Reads closer together than this are too short a span for a rate: it is
  // then taken from the read before.
  static constexpr int64_t kShortestSpan = 250'000'000;  // ns
  // What lies further back is no recent span.
  static constexpr int64_t kLongestSpan = 120'000'000'000;  // ns

  // `usage_ns` was read of object `id` at `at` (ns, of a clock that is never
  // set). The CPU time per second since an earlier read, in nanoseconds: 1e9 is
  // one whole CPU. Unset without such a read.
  std::optional<uint64_t> Note(const std::string& id, uint64_t usage_ns,
                               int64_t at) {
    absl::MutexLock lock(&mutex_);
    auto [entry, is_new] = reads_.try_emplace(id);
    Reads& reads = entry->second;
    if (is_new || usage_ns < reads.last.usage_ns) {
      reads = {{usage_ns, at}, std::nullopt};
      return std::nullopt;
    }
    if (at - reads.last.at >= kShortestSpan) {
      reads.before = reads.last;
      reads.last = {usage_ns, at};
    }
    if (!reads.before.has_value()) return std::nullopt;
    const int64_t span = at - reads.before->at;
    if (span <= 0 || span > kLongestSpan) return std::nullopt;
    return static_cast<double>(usage_ns - reads.before->usage_ns) * 1e9 / span;
  }

  void Forget(absl::string_view id) {
    absl::MutexLock lock(&mutex_);
    reads_.erase(id);
  }

 private:
  struct Read {
    uint64_t usage_ns = 0;
    int64_t at = 0;
  };
  struct Reads {
    Read last;
    std::optional<Read> before;
  };

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Reads> reads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CPU_RATES_H_
