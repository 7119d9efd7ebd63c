// The cgroups that are measured, with their directories kept open: at most so
// many descriptors; what exceeds that is read by its path each time.
//
// Thread safety: all methods from any thread. Get blocks for a few system
// calls, and holds no lock meanwhile.

#ifndef GANTRY_SERVER_CORE_STATS_READERS_H_
#define GANTRY_SERVER_CORE_STATS_READERS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/stats_reader.h"

namespace gantry::core {

class StatsReaders {
 public:
  using Ptr = std::shared_ptr<const cgroup::StatsReader>;

  // `hierarchies` must outlive this and all readers.
  StatsReaders(const cgroup::Hierarchies& hierarchies, size_t max_fds)
      : hierarchies_(hierarchies), max_fds_(max_fds) {}

  // Of the pod or container `id`, whose cgroup is at `path`. NOT_FOUND if that
  // does not exist.
  absl::StatusOr<Ptr> Get(const std::string& id, const std::string& path);

  // Its descriptors are closed, once whoever reads with them is done.
  void Forget(absl::string_view id);

  size_t fds() const {
    absl::MutexLock lock(&mutex_);
    return fds_;
  }

 private:
  const cgroup::Hierarchies& hierarchies_;
  const size_t max_fds_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Ptr> readers_ ABSL_GUARDED_BY(mutex_);
  size_t fds_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STATS_READERS_H_
