// Counts who holds a digest: a pull under way, a container being made. What is
// held is not removed by garbage collection.
//
// Ownership: a Hold keeps the table alive. Thread safety: thread-safe; the
// lock is only ever held for a map operation.

#ifndef GANTRY_RUNTIME_IMAGE_HOLDS_H_
#define GANTRY_RUNTIME_IMAGE_HOLDS_H_

#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/image/digest.h"

namespace gantry::image {

class HoldTable : public std::enable_shared_from_this<HoldTable> {
 public:
  // Released on destruction. Movable.
  class Hold {
   public:
    Hold() = default;
    Hold(std::shared_ptr<HoldTable> table, Digest digest)
        : table_(std::move(table)),
          digest_(std::make_unique<Digest>(std::move(digest))) {}
    Hold(Hold&&) = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(digest_, other.digest_);
      return *this;
    }
    ~Hold() {
      if (table_ != nullptr) table_->Release(*digest_);
    }

   private:
    std::shared_ptr<HoldTable> table_;
    std::unique_ptr<Digest> digest_;
  };

  Hold Take(const Digest& digest) {
    absl::MutexLock lock(&mutex_);
    ++counts_[digest];
    return Hold(shared_from_this(), digest);
  }

  bool Held(const Digest& digest) const {
    absl::MutexLock lock(&mutex_);
    return counts_.count(digest) != 0;
  }

 private:
  void Release(const Digest& digest) {
    absl::MutexLock lock(&mutex_);
    auto it = counts_.find(digest);
    if (it != counts_.end() && --it->second == 0) counts_.erase(it);
  }

  mutable absl::Mutex mutex_;
  std::map<Digest, int> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_HOLDS_H_
