// A pull that tells how far it is.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "runtime/base/status.h"
#include "server/core/image_pull.h"
#include "server/cri/admin_rpcs.h"
#include "server/cri/call.h"
#include "server/cri/pull_progress.h"
#include "server/cri/translate_image.h"
#include "server/work/cancellation.h"

namespace gantry::cri {
namespace {

using admin::v1::PullProgress;
using admin::v1::PullWithProgressRequest;

// One call. The threads of the pull put what happens into a table; a message is
// made of it when the one before has been taken by the transport.
class PullStream final : public grpc::ServerWriteReactor<PullProgress> {
 public:
  PullStream(Services& services, const PullWithProgressRequest* request)
      : call_{"PullWithProgress", request->pull().image().image()},
        shared_(std::make_shared<Shared>(this)) {
    services.node.tasks.Start(
        Pull(services, request),
        [this](absl::StatusOr<std::string> id) { OnPulled(std::move(id)); });
  }

  void OnWriteDone(bool ok) override {
    if (!ok) cancellation_.Cancel();
    const std::shared_ptr<Shared> shared = shared_;
    absl::MutexLock lock(&shared->mutex);
    shared->writing = false;
    Pump(*shared);
  }

  // The pull ends, and then the call.
  void OnCancel() override { cancellation_.Cancel(); }

  void OnDone() override { delete this; }

 private:
  struct Shared {
    explicit Shared(PullStream* s) : stream(s) {}
    absl::Mutex mutex;
    // Null once the call is finished.
    PullStream* stream ABSL_GUARDED_BY(mutex);
    PullProgressTable table ABSL_GUARDED_BY(mutex);
    bool writing ABSL_GUARDED_BY(mutex) = false;
    std::optional<absl::StatusOr<std::string>> pulled ABSL_GUARDED_BY(mutex);
  };

  work::Task<absl::StatusOr<std::string>> Pull(
      Services& services, const PullWithProgressRequest* request) {
    CO_ASSIGN_OR_RETURN(core::PullRequest pull,
                        PullRequestFromCri(request->pull(), services.host));
    pull.cancellation = cancellation_;
    pull.observer = [shared = shared_](const core::LayerState& state) {
      absl::MutexLock lock(&shared->mutex);
      shared->table.Update(state);
      if (shared->stream != nullptr) shared->stream->Pump(*shared);
    };
    co_return co_await services.images.Pull(std::move(pull));
  }

  void OnPulled(absl::StatusOr<std::string> id) {
    const std::shared_ptr<Shared> shared = shared_;
    absl::MutexLock lock(&shared->mutex);
    shared->pulled = std::move(id);
    Pump(*shared);
  }

  // Sends what is due, or ends the call.
  void Pump(Shared& shared) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared.mutex) {
    if (shared.writing || shared.stream == nullptr) return;
    const bool ended = shared.pulled.has_value();
    if (ended && !shared.pulled->ok()) return End(shared);
    std::optional<PullProgress> message = shared.table.Take(absl::Now(), ended);
    if (ended && !told_) {
      if (!message) message.emplace();
      message->set_image_ref(**shared.pulled);
      told_ = true;
    }
    if (message) {
      message_ = *std::move(message);
      shared.writing = true;
      StartWrite(&message_);
    } else if (ended) {
      End(shared);
    }
  }

  void End(Shared& shared) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shared.mutex) {
    shared.stream = nullptr;
    Finish(EndOfCall(call_, shared.pulled->status()));
  }

  const CallName call_;
  const std::shared_ptr<Shared> shared_;
  work::Cancellation cancellation_;
  // The message with the image has been made.
  bool told_ = false;
  PullProgress message_;
};

}  // namespace

grpc::ServerWriteReactor<PullProgress>* AdminRpcs::PullWithProgress(
    grpc::CallbackServerContext* /*context*/,
    const PullWithProgressRequest* request) {
  return new PullStream(services_, request);
}

}  // namespace gantry::cri
