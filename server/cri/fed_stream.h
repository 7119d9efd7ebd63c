// A stream of answers that a thread which may block feeds: a message waits
// until the transport has taken the one before, so that a call holds one
// message however slow its client is.
//
//   auto* stream = new FedStream<SaveResponse>({"Save", name});
//   tasks.Start(Save(..., stream->cancellation()),
//               [stream](absl::Status status) { stream->End(status); });
//
// Ownership: deletes itself after End; that must be called once, last.
// Thread safety: Send from one thread at a time.

#ifndef GANTRY_SERVER_CRI_FED_STREAM_H_
#define GANTRY_SERVER_CRI_FED_STREAM_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "server/cri/call.h"
#include "server/work/cancellation.h"

namespace gantry::cri {

template <typename Response>
class FedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit FedStream(CallName call)
      : call_(std::move(call)), shared_(std::make_shared<Shared>()) {}

  // Cancelled once the client has gone.
  const work::Cancellation& cancellation() const { return cancellation_; }

  // CANCELLED once the client has gone.
  absl::Status Send(Response message) {
    {
      absl::MutexLock lock(&shared_->mutex);
      shared_->mutex.Await(absl::Condition(
          +[](Shared* shared) { return !shared->writing || shared->gone; },
          shared_.get()));
      if (shared_->gone) return absl::CancelledError("the client has gone");
      shared_->writing = true;
    }
    message_ = std::move(message);
    this->StartWrite(&message_);
    return absl::OkStatus();
  }

  void End(const absl::Status& status) {
    const std::shared_ptr<Shared> shared = shared_;
    {
      absl::MutexLock lock(&shared->mutex);
      shared->end = status;
      // Else OnWriteDone ends the call.
      if (shared->writing) return;
    }
    this->Finish(EndOfCall(call_, status));
  }

  void OnWriteDone(bool ok) override {
    const std::shared_ptr<Shared> shared = shared_;
    if (!ok) cancellation_.Cancel();
    absl::Status end;
    {
      absl::MutexLock lock(&shared->mutex);
      shared->writing = false;
      if (!ok) shared->gone = true;
      if (!shared->end) return;
      end = *shared->end;
    }
    this->Finish(EndOfCall(call_, end));
  }

  void OnCancel() override {
    cancellation_.Cancel();
    absl::MutexLock lock(&shared_->mutex);
    shared_->gone = true;
  }

  void OnDone() override { delete this; }

 private:
  // Outlives the stream for whoever still holds the lock as it goes.
  struct Shared {
    absl::Mutex mutex;
    bool writing ABSL_GUARDED_BY(mutex) = false;
    bool gone ABSL_GUARDED_BY(mutex) = false;
    std::optional<absl::Status> end ABSL_GUARDED_BY(mutex);
  };

  const CallName call_;
  const std::shared_ptr<Shared> shared_;
  work::Cancellation cancellation_;
  // Being sent while `writing`.
  Response message_;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_FED_STREAM_H_
