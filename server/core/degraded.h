// What this kernel or this process's own rights did not allow in full and was
// applied as far as it went ("oom_score_adj -999: EACCES"): logged once each,
// shown in Status, never an error of a container.
//
// Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_DEGRADED_H_
#define GANTRY_SERVER_CORE_DEGRADED_H_

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "glog/logging.h"

namespace gantry::core {

class DegradedFeatures {
 public:
  void Add(std::string what) {
    absl::MutexLock lock(&mutex_);
    auto [entry, is_new] = features_.insert(std::move(what));
    LOG_IF(WARNING, is_new)
        << "applied only as far as the kernel allows: " << *entry;
  }

  std::vector<std::string> List() const {
    absl::MutexLock lock(&mutex_);
    return {features_.begin(), features_.end()};
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> features_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_DEGRADED_H_
