// The sizes of writable layers: found by walking them, kept for a while.
//
// A walk takes as long as the layer is large, so how long its result counts
// depends on how long it took: walks take at most a hundredth of the time. When
// that is over the old result still serves, and a new walk is begun for those
// who ask later; only a result that is quite old is waited for.
// Thread safety: all methods from any thread. Walks run on the blocking
// executor, with no lock held.

#ifndef GANTRY_SERVER_CORE_LAYER_USAGE_H_
#define GANTRY_SERVER_CORE_LAYER_USAGE_H_

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/rootfs/usage.h"
#include "server/core/node.h"
#include "server/work/task.h"

namespace gantry::core {

struct MeasuredLayer {
  int64_t at = 0;  // ns since the epoch
  rootfs::Usage usage;
};

class LayerUsage {
 public:
  explicit LayerUsage(Node& node) : node_(node) {}

  // Of the writable layer of container `id`.
  work::Task<absl::StatusOr<MeasuredLayer>> Of(std::string id);

  void Forget(absl::string_view id);

 private:
  struct Known {
    MeasuredLayer measured;
    // Of the clock that is never set.
    int64_t measured_at = 0;
    int64_t took = 0;
    bool walking = false;
  };

  work::Task<absl::StatusOr<MeasuredLayer>> Walk(std::string id);
  work::Task<void> Renew(std::string id);

  Node& node_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Known> layers_ ABSL_GUARDED_BY(mutex_);
};

// How long a result counts that took `took` to find; both in ns.
int64_t FreshFor(int64_t took);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_LAYER_USAGE_H_
