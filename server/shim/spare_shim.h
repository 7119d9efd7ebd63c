// A shim started ahead: one `gantry-shim container` that waits to be told whose
// it is (shim/donation.h). It has made nothing and holds nothing; it goes with
// the server.
//
// Thread safety: any thread. Blocks for the execve (Make) or not at all.

#ifndef GANTRY_SERVER_SHIM_SPARE_SHIM_H_
#define GANTRY_SERVER_SHIM_SPARE_SHIM_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"
#include "server/shim/shim_process.h"

namespace gantry::shim_client {

class SpareShim {
 public:
  explicit SpareShim(UniqueFd binary) : binary_(std::move(binary)) {}

  // The spare, told whose it is: `shown_id` as its argument, `donated` (at most
  // sys::kMaxMessageFds, borrowed) as its descriptors 4, 5, ... Nothing: there
  // is none, or it cannot be told.
  std::optional<ShimProcess> Take(absl::string_view shown_id,
                                  const std::vector<int>& donated);

  // Starts a spare unless there is one. An error costs nothing but the time of
  // the next start.
  absl::Status Make();

  // Of the spare, if there is one.
  std::optional<pid_t> pid() const {
    absl::MutexLock lock(&mutex_);
    if (!spare_.has_value()) return std::nullopt;
    return spare_->pid;
  }

 private:
  const UniqueFd binary_;
  mutable absl::Mutex mutex_;
  std::optional<ShimProcess> spare_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_SPARE_SHIM_H_
