// Namespaces made ahead: one `gantry-shim pin --ahead` that has made those of
// the next pod and waits to be told whose they are.
//
// Pods of a node are mostly alike: a spare is made like the last one, and taken
// by a pod that asks for the same. Nothing of it is on the disk or mounted: it
// is the process's alone and goes with it, and the process goes with the
// server. Thread safety: any thread. Blocks for the execve (Make) or not at
// all.

#ifndef GANTRY_SERVER_SHIM_SPARE_NAMESPACES_H_
#define GANTRY_SERVER_SHIM_SPARE_NAMESPACES_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"
#include "server/shim/shim_process.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim_client {

class SpareNamespaces {
 public:
  explicit SpareNamespaces(UniqueFd binary) : binary_(std::move(binary)) {}

  // Whether a spare can be made for pods like `pin`.
  static bool CanBeFor(const shim::PinRequest& pin);

  // The spare, told to be what `pin` says in the directory `run_dir`; its
  // answer is the caller's to wait for. Nothing: there is none, or it is not
  // the like of that.
  std::optional<ShimProcess> Take(const shim::PinRequest& pin, int run_dir);

  // Makes a spare for pods like `pin` in place of the one there is, unless that
  // will do. An error costs nothing but the time of the next pod.
  absl::Status Make(const shim::PinRequest& pin);

  bool has_spare() const {
    absl::MutexLock lock(&mutex_);
    return spare_.has_value();
  }

 private:
  const UniqueFd binary_;
  mutable absl::Mutex mutex_;
  std::optional<ShimProcess> spare_ ABSL_GUARDED_BY(mutex_);
  // What the spare was made for; kept when it is taken.
  shim::PinRequest kind_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_SPARE_NAMESPACES_H_
