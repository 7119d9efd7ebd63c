// How far the start of the server has come with what it found on disk.
//
// Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_START_PROGRESS_H_
#define GANTRY_SERVER_CORE_START_PROGRESS_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace gantry::core {

class StartProgress {
 public:
  // Recovery begins; what there is to recover is not known yet.
  void Begin() {
    absl::MutexLock lock(&mutex_);
    recovering_ = true;
  }
  void Expect(size_t containers) {
    absl::MutexLock lock(&mutex_);
    containers_ = containers;
  }
  // One more has been recovered, or could not be.
  void NoteContainer() {
    absl::MutexLock lock(&mutex_);
    ++recovered_;
  }
  void End() {
    absl::MutexLock lock(&mutex_);
    recovering_ = false;
  }

  // For people: "recovering containers: 12 of 500". Nothing before Begin and
  // after End.
  std::optional<std::string> Doing() const {
    absl::MutexLock lock(&mutex_);
    if (!recovering_) return std::nullopt;
    return absl::StrCat("recovering containers: ", recovered_, " of ",
                        containers_);
  }

 private:
  mutable absl::Mutex mutex_;
  bool recovering_ ABSL_GUARDED_BY(mutex_) = false;
  size_t containers_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t recovered_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_START_PROGRESS_H_
