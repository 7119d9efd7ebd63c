// One-use tokens for what clients asked for over gRPC and will fetch over HTTP.
//
// A token is 128 random bits, the only thing that an HTTP client has to show,
// so it is good once and for a minute; it appears in no log. Thread safety: all
// methods from any thread. Nothing blocks.

#ifndef GANTRY_SERVER_STREAMING_TOKENS_H_
#define GANTRY_SERVER_STREAMING_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/base/clock.h"
#include "server/core/stream_request.h"

namespace gantry::streaming {

inline constexpr absl::Duration kTokenLife = absl::Minutes(1);
// Handed out and neither used nor expired.
inline constexpr size_t kMaxTokens = 1000;

class Tokens {
 public:
  // `clock` must outlive this.
  explicit Tokens(const Clock& clock, absl::Duration life = kTokenLife)
      : clock_(clock), life_(life) {}

  // RESOURCE_EXHAUSTED while kMaxTokens are outstanding.
  absl::StatusOr<std::string> Add(core::StreamRequest request);

  // What the token is for; nothing if it is unknown, used or expired.
  std::optional<core::StreamRequest> Take(absl::string_view token);

 private:
  struct Entry {
    core::StreamRequest request;
    int64_t expires_ns;
  };
  void DropExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  const absl::Duration life_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  // In the order in which they expire; used ones are skipped.
  std::deque<std::pair<int64_t, std::string>> by_age_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_TOKENS_H_
