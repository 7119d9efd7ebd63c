#include "runtime/image/registry_ranges.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/status.h"
#include "runtime/http/client.h"
#include "runtime/image/byte_source.h"

namespace gantry::image {

struct RangedBlob::Range {
  int64_t begin;
  int64_t end;
  size_t first_host;
  // Not touched beyond `received` but by who receives it, nor before.
  std::unique_ptr<char[]> bytes;
  // Guarded by the mutex of Aside.
  enum class State { kWaiting, kReceiving, kEnded } state = State::kWaiting;
  int64_t received = 0;
  BlobOrigin origin;
};

// What the threads share. It outlives the blob if a thread comes too late.
class RangedBlob::Aside {
 public:
  Aside(BlobOpener ask_once, int64_t blob_size)
      : ask_once_(std::move(ask_once)), blob_size_(blob_size) {}

  // On a thread of its own.
  void Receive(Range* range) {
    {
      absl::MutexLock lock(&mutex_);
      if (left_ || range->state != Range::State::kWaiting) return;
      range->state = Range::State::kReceiving;
      ++receiving_;
    }
    std::unique_ptr<http::Response> response = ReceiveOnce(range);
    {
      absl::MutexLock lock(&mutex_);
      range->state = Range::State::kEnded;
    }
    // Its connection is kept only if it is read to its end.
    if (response != nullptr) response->Next().IgnoreError();
    response.reset();
    absl::MutexLock lock(&mutex_);
    --receiving_;
  }

  // Waits until there is more than `known` bytes, or will be none; how many
  // there are. What nobody has begun yet is not begun any more.
  int64_t Await(Range* range, int64_t known) {
    absl::MutexLock lock(&mutex_);
    if (range->state == Range::State::kWaiting) {
      range->state = Range::State::kEnded;
    }
    const auto has_more = [range, known] {
      return range->received > known || range->state == Range::State::kEnded;
    };
    mutex_.Await(absl::Condition(&has_more));
    return range->received;
  }

  BlobOrigin OriginOf(const Range& range) {
    absl::MutexLock lock(&mutex_);
    return range.origin;
  }

  // Whether one of them ended early.
  bool HasFailed(const std::deque<std::shared_ptr<Range>>& ranges) {
    absl::MutexLock lock(&mutex_);
    return std::any_of(ranges.begin(), ranges.end(), [](const auto& range) {
      return range->state == Range::State::kEnded &&
             range->received < range->end - range->begin;
    });
  }

  // No more is begun.
  void Leave() {
    absl::MutexLock lock(&mutex_);
    left_ = true;
  }
  void AwaitNone() {
    absl::MutexLock lock(&mutex_);
    const auto none = [this] { return receiving_ == 0; };
    mutex_.Await(absl::Condition(&none));
  }

 private:
  // Whatever is wrong with the answer, the range ends. An answer that brought
  // all of it is given back.
  std::unique_ptr<http::Response> ReceiveOnce(Range* range) {
    absl::StatusOr<Answered> answered = ask_once_(
        http::ByteRange{.first = range->begin, .last = range->end - 1},
        range->first_host);
    if (!answered.ok() || answered->response->status() != 206 ||
        !BringsRange(*answered->response, range->begin, range->end,
                     blob_size_)) {
      return nullptr;
    }
    int64_t at = 0;
    while (at < range->end - range->begin) {
      absl::StatusOr<absl::string_view> chunk = answered->response->Next();
      if (!chunk.ok() || chunk->empty()) return nullptr;
      const int64_t more =
          std::min<int64_t>(chunk->size(), range->end - range->begin - at);
      memcpy(range->bytes.get() + at, chunk->data(), more);
      at += more;
      absl::MutexLock lock(&mutex_);
      range->received = at;
      range->origin.Add(*answered);
      if (left_) return nullptr;
    }
    return std::move(answered->response);
  }

  const BlobOpener ask_once_;
  const int64_t blob_size_;
  absl::Mutex mutex_;
  int receiving_ ABSL_GUARDED_BY(mutex_) = 0;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
};

RangedBlob::RangedBlob(Descriptor blob, Means means,
                       const RegistryOptions& options, int64_t offset,
                       size_t first_host)
    : size_(blob.size),
      options_(options),
      leave_(std::move(means.leave)),
      run_aside_(std::move(means.run_aside)),
      aside_(std::make_shared<Aside>(std::move(means.ask_once), blob.size)),
      main_(std::move(blob), std::move(means.open), options,
            std::move(means.cancelled), offset,
            std::min(offset + options.range_bytes, size_), first_host),
      at_(offset),
      asked_(main_.end()) {}

RangedBlob::~RangedBlob() {
  Leave();
  aside_->AwaitNone();
}

void RangedBlob::Leave() {
  leave_();
  aside_->Leave();
  ranges_.clear();
  asked_ = size_;
}

absl::Status RangedBlob::Connect() {
  RETURN_IF_ERROR(main_.Connect());
  if (main_.end() == size_) {
    Leave();
  } else {
    AskAside();
  }
  return absl::OkStatus();
}

void RangedBlob::AskAside() {
  const size_t most = options_.parallel_ranges - (main_reads_ ? 1 : 0);
  if (aside_->HasFailed(ranges_)) return;
  while (ranges_.size() < most && asked_ < size_) {
    auto range = std::make_shared<Range>();
    range->begin = asked_;
    range->end = std::min(asked_ + options_.range_bytes, size_);
    range->first_host = main_.host();
    range->bytes.reset(new char[range->end - range->begin]);
    asked_ = range->end;
    ranges_.push_back(range);
    run_aside_([aside = aside_, range] { aside->Receive(range.get()); });
  }
}

absl::string_view RangedBlob::Take(Range* range) {
  const int64_t known = at_ - range->begin;
  const int64_t more =
      std::min<int64_t>(aside_->Await(range, known) - known, kChunkBytes);
  origin_.Add(aside_->OriginOf(*range));
  at_ += more;
  return absl::string_view(range->bytes.get() + known, more);
}

absl::StatusOr<absl::string_view> RangedBlob::Next() {
  while (true) {
    if (main_reads_) {
      absl::StatusOr<absl::string_view> next = main_.Next();
      origin_.Add(main_.origin());
      RETURN_IF_ERROR(next);
      const absl::string_view chunk = *next;
      at_ += chunk.size();
      const bool gives_all = main_.end() == size_;
      if (gives_all && (asked_ < size_ || !ranges_.empty())) Leave();
      if (!chunk.empty() || gives_all) return chunk;
      main_reads_ = false;
      AskAside();
    }
    if (ranges_.empty()) return absl::string_view();
    Range* range = ranges_.front().get();
    if (at_ < range->end) {
      if (absl::string_view chunk = Take(range); !chunk.empty()) return chunk;
      // It ended early.
      main_.MoveTo(at_, range->end);
      main_reads_ = true;
      ranges_.pop_front();
    } else {
      ranges_.pop_front();
      AskAside();
    }
  }
}

}  // namespace gantry::image
