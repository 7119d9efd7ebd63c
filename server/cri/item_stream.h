// The list RPCs that stream: an ItemStream writes what an ItemSource gives,
// packed into messages of a bounded size, each item once, and ends the call
// with the list.
//
// Flow control: a message is made when the one before it has been taken by the
// transport, so that a call holds one message and what the source gave for it,
// however slow its client is.
// Ownership: a stream deletes itself at the end of its call, with its source.
// Thread safety: as gRPC's reactors; a source is used by one thread at a time.

#ifndef GANTRY_SERVER_CRI_ITEM_STREAM_H_
#define GANTRY_SERVER_CRI_ITEM_STREAM_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "grpcpp/support/server_callback.h"
#include "server/cri/call.h"
#include "server/work/task.h"
#include "server/work/task_scope.h"

namespace gantry::cri {

// A message ends before the item that would make it larger than this; a larger
// item has one to itself. Far below what clients take (16 MiB by default).
inline constexpr size_t kStreamMessageBytes = 256 << 10;

template <typename Item>
class ItemSource {
 public:
  virtual ~ItemSource() = default;

  virtual bool AtEnd() const = 0;

  // Makes the next few items and puts them at the end of `items`; not called
  // at the end. May give none, when what was to be told of has gone.
  virtual work::Task<void> Next(std::deque<Item>& items) = 0;
};

template <typename Response, typename Item>
class ItemStream final : public grpc::ServerWriteReactor<Response> {
 public:
  using Items = google::protobuf::RepeatedPtrField<Item>;

  // `items` gives access to the response's field. `tasks` must outlive the
  // call.
  ItemStream(work::TaskScope& tasks, CallName call,
             std::unique_ptr<ItemSource<Item>> source,
             Items* (Response::*items)())
      : tasks_(tasks),
        call_(std::move(call)),
        source_(std::move(source)),
        items_(items) {
    tasks_.Start(Continue());
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the client has gone"));
    tasks_.Start(Continue());
  }

  void OnCancel() override { cancelled_ = true; }

  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) {
    this->Finish(EndOfCall(call_, status));
  }

  // Sends the next message, or ends the call. Nothing here may be touched
  // after either: the call goes on on other threads.
  work::Task<void> Continue() {
    while (made_bytes_ < kStreamMessageBytes && !source_->AtEnd() &&
           !cancelled_) {
      const size_t before = made_.size();
      co_await source_->Next(made_);
      for (size_t i = before; i < made_.size(); ++i) {
        made_bytes_ += made_[i].ByteSizeLong();
      }
    }
    if (made_.empty() || cancelled_) {
      End(cancelled_ ? absl::CancelledError("the client has gone")
                     : absl::OkStatus());
      co_return;
    }
    Pack();
    this->StartWrite(&message_);
  }

  void Pack() {
    message_.Clear();
    size_t bytes = 0;
    while (!made_.empty()) {
      const size_t size = made_.front().ByteSizeLong();
      if (bytes > 0 && bytes + size > kStreamMessageBytes) break;
      bytes += size;
      (message_.*items_)()->Add(std::move(made_.front()));
      made_.pop_front();
    }
    made_bytes_ -= bytes;
  }

  work::TaskScope& tasks_;
  const CallName call_;
  const std::unique_ptr<ItemSource<Item>> source_;
  Items* (Response::*const items_)();
  Response message_;
  // Made, and not sent yet.
  std::deque<Item> made_;
  size_t made_bytes_ = 0;
  std::atomic<bool> cancelled_ = false;
};

// A list that cannot be made.
template <typename Response>
class FailedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  FailedStream(const CallName& call, const absl::Status& error) {
    this->Finish(EndOfCall(call, error));
  }
  void OnDone() override { delete this; }
};

// A list whose items are made from memory, one by one.
template <typename Item, typename Key>
class ListedItems final : public ItemSource<Item> {
 public:
  using ToItem = std::function<Item(const Key&)>;

  ListedItems(std::vector<Key> keys, ToItem to_item)
      : keys_(std::move(keys)), to_item_(std::move(to_item)) {}

  bool AtEnd() const override { return next_ == keys_.size(); }

  work::Task<void> Next(std::deque<Item>& items) override {
    items.push_back(to_item_(keys_[next_++]));
    co_return;
  }

 private:
  const std::vector<Key> keys_;
  const ToItem to_item_;
  size_t next_ = 0;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_ITEM_STREAM_H_
