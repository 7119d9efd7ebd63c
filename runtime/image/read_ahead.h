// Runs a source on a thread of its own, some chunks ahead of its reader: what
// stands before it (receiving, hashing, inflating) and what comes behind
// (writing files) then share the work of two cores.
//
// Memory: kDepth chunks. Ownership: borrows `from`, which nobody else may touch
// until this is gone. Thread safety: one reader. Blocks as the slower of both
// sides.

#ifndef GANTRY_RUNTIME_IMAGE_READ_AHEAD_H_
#define GANTRY_RUNTIME_IMAGE_READ_AHEAD_H_

#include <array>
#include <cstddef>
#include <string>

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
  static constexpr size_t kDepth = 4;

  ReadAhead(ByteSource* from, const RunAside& run_aside);
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
    return stopping_ || produced_ - consumed_ < kDepth;
  }
  bool MayConsume() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || produced_ != consumed_;
  }

  ByteSource* const from_;
  absl::Mutex mutex_;
  // A chunk belongs to the producer until it is counted in produced_, then to
  // the reader until it is counted in consumed_.
  std::array<std::string, kDepth> chunks_;
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
