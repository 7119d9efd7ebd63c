// Which records say more in the index than on disk: of what has happened while
// the disk was full, say. They are written as soon as it takes them.
//
// A plain note of ids; who writes them is records.cc.
// Thread safety: all methods from any thread. Nothing blocks.

#ifndef GANTRY_SERVER_CORE_UNSAVED_RECORDS_H_
#define GANTRY_SERVER_CORE_UNSAVED_RECORDS_H_

#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"

namespace gantry::core {

class UnsavedRecords {
 public:
  struct Ids {
    std::set<std::string> pods;
    std::set<std::string> containers;
    bool empty() const { return pods.empty() && containers.empty(); }
  };

  // The callers see to a round, unless false: then there will be one.
  bool AddPod(const std::string& id) {
    absl::MutexLock lock(&mutex_);
    ids_.pods.insert(id);
    return !std::exchange(round_coming_, true);
  }
  bool AddContainer(const std::string& id) {
    absl::MutexLock lock(&mutex_);
    ids_.containers.insert(id);
    return !std::exchange(round_coming_, true);
  }

  // A round has come: `start` starts it. Not after Close.
  void BeginRound(absl::FunctionRef<void()> start) {
    absl::MutexLock lock(&closing_);
    if (!closed_) start();
  }
  // Those that it is to write.
  Ids Take() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(ids_, {});
  }
  // With those that could not be written; whether there is to be another round.
  bool EndRound(Ids left) {
    absl::MutexLock lock(&mutex_);
    ids_.pods.merge(left.pods);
    ids_.containers.merge(left.containers);
    round_coming_ = !ids_.empty();
    return round_coming_;
  }

  // No round begins after this returns.
  void Close() {
    absl::MutexLock lock(&closing_);
    closed_ = true;
  }

 private:
  absl::Mutex mutex_;
  Ids ids_ ABSL_GUARDED_BY(mutex_);
  bool round_coming_ ABSL_GUARDED_BY(mutex_) = false;
  // Held while a round is started.
  absl::Mutex closing_;
  bool closed_ ABSL_GUARDED_BY(closing_) = false;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_UNSAVED_RECORDS_H_
