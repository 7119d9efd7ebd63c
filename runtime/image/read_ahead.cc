#include "runtime/image/read_ahead.h"

namespace gantry::image {

ReadAhead::ReadAhead(ByteSource* from, size_t depth, const RunAside& run_aside)
    : from_(from), chunks_(depth) {
  run_aside([this] { Produce(); });
}

ReadAhead::~ReadAhead() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
  mutex_.Await(absl::Condition(&ended_));
}

void ReadAhead::Produce() {
  while (ProduceOne()) {
  }
}

bool ReadAhead::ProduceOne() {
  size_t place;
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &ReadAhead::MayProduce));
    if (stopping_) {
      ended_ = true;
      return false;
    }
    place = produced_ % chunks_.size();
  }
  const absl::StatusOr<absl::string_view> chunk = from_->Next();
  if (chunk.ok()) chunks_[place].assign(chunk->data(), chunk->size());
  // Nothing of this object is touched once the lock is released with ended_.
  absl::MutexLock lock(&mutex_);
  if (chunk.ok() && !chunk->empty()) {
    ++produced_;
    return true;
  }
  end_ = chunk.status();
  ended_ = true;
  return false;
}

absl::StatusOr<absl::string_view> ReadAhead::Next() {
  absl::MutexLock lock(&mutex_);
  if (holding_) ++consumed_;
  holding_ = false;
  mutex_.Await(absl::Condition(this, &ReadAhead::MayConsume));
  if (produced_ == consumed_) {
    if (!end_.ok()) return end_;
    return absl::string_view();
  }
  holding_ = true;
  return absl::string_view(chunks_[consumed_ % chunks_.size()]);
}

}  // namespace gantry::image
