// Runs a source on a thread of its own, some chunks ahead of its reader: what
// stands before it (receiving, hashing, inflating) and what comes behind
// (writing files) then share the work of two cores.
//
// Memory: `depth` chunks. Layers have stretches of few large files, which are
// inflated slower than written, and of many small ones, where it is the other
// way round: the deeper it is, the more of both goes on at once. Ownership:
// borrows `from`, which nobody else may touch until this is gone. Thread
// safety: one reader. Blocks as the slower of both sides.

#ifndef GANTRY_RUNTIME_IMAGE_READ_AHEAD_H_
#define GANTRY_RUNTIME_IMAGE_READ_AHEAD_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/run_aside.h"

namespace gantry::image {

class ReadAhead : public ByteSource {
 public:
  // `depth`: at least 1.
  ReadAhead(ByteSource* from, size_t depth, const RunAside& run_aside);
  // Waits for the call of from->Next() that is under way: whoever leaves early
  // makes that end first.
  ~ReadAhead() override;

  // What `from` gave, its error in its place.
  absl::StatusOr<absl::string_view> Next() override;

 private:
  void Produce();
  // Copies one chunk into the ring. False: there are no more.
  bool ProduceOne();

  bool MayProduce() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || produced_ - consumed_ < chunks_.size();
  }
  bool MayConsume() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || produced_ != consumed_;
  }

  ByteSource* const from_;
  absl::Mutex mutex_;
  // A chunk belongs to the producer until it is counted in produced_, then to
  // the reader until it is counted in consumed_.
  std::vector<std::string> chunks_;
  size_t produced_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t consumed_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // The reader's own.
  bool holding_ = false;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_READ_AHEAD_H_
