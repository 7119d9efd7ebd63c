// Who waits for the end of a container: Stop and Remove, woken once its record
// says EXITED.
//
// Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_EXITS_H_
#define GANTRY_SERVER_CORE_EXITS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/work/executor.h"
#include "server/work/one_shot.h"

namespace gantry::core {

class Exits {
 public:
  explicit Exits(work::Executor& executor) : executor_(executor) {}

  // Set to true when the end of `container_id` is noted down. Look at the
  // record after this call: the end may have come before it. Whoever gives up
  // sets false.
  work::OneShot<bool> Watch(const std::string& container_id) {
    work::OneShot<bool> watch(executor_);
    absl::MutexLock lock(&mutex_);
    // Those who gave up are forgotten when the next one comes.
    std::vector<work::OneShot<bool>>& watches = watches_[container_id];
    std::erase_if(watches, [](const auto& w) { return w.IsSet(); });
    watches.push_back(watch);
    return watch;
  }

  void NoteEnd(absl::string_view container_id) {
    std::vector<work::OneShot<bool>> watches;
    {
      absl::MutexLock lock(&mutex_);
      auto entry = watches_.find(container_id);
      if (entry == watches_.end()) return;
      watches = std::move(entry->second);
      watches_.erase(entry);
    }
    for (const work::OneShot<bool>& watch : watches) watch.Set(true);
  }

 private:
  struct Less {
    using is_transparent = void;
    bool operator()(absl::string_view a, absl::string_view b) const {
      return a < b;
    }
  };

  work::Executor& executor_;
  absl::Mutex mutex_;
  std::map<std::string, std::vector<work::OneShot<bool>>, Less> watches_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_EXITS_H_
