// What happens to pods and containers, as it happens.

#include "server/core/events.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/cri/call.h"
#include "server/cri/container_translator.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_pod.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ContainerEventResponse;
using State = core::EventBus::Subscription::State;

runtime::v1::ContainerEventType TypeToCri(core::Event::Kind kind) {
  switch (kind) {
    case core::Event::Kind::kCreated:
      return runtime::v1::CONTAINER_CREATED_EVENT;
    case core::Event::Kind::kStarted:
      return runtime::v1::CONTAINER_STARTED_EVENT;
    case core::Event::Kind::kStopped:
      return runtime::v1::CONTAINER_STOPPED_EVENT;
    case core::Event::Kind::kDeleted:
      return runtime::v1::CONTAINER_DELETED_EVENT;
  }
  return runtime::v1::CONTAINER_CREATED_EVENT;
}

ContainerEventResponse EventToCri(const core::Event& event,
                                  const core::ImageService& images) {
  ContainerEventResponse to;
  to.set_container_id(event.container_id.empty() ? event.pod_id
                                                 : event.container_id);
  to.set_container_event_type(TypeToCri(event.kind));
  to.set_created_at(event.at);
  if (event.pod != nullptr) {
    *to.mutable_pod_sandbox_status() = PodStatusToCri(*event.pod);
  }
  ContainerTranslator translator(images);
  for (const core::ContainerPtr& container : event.containers) {
    *to.add_containers_statuses() = translator.Status(*container);
  }
  return to;
}

// One subscriber. Its queue is the bus's; an event is translated when the one
// before it has been taken by the transport.
class EventStream final
    : public grpc::ServerWriteReactor<ContainerEventResponse> {
 public:
  explicit EventStream(Services& services)
      : services_(services), shared_(std::make_shared<Shared>()) {
    absl::MutexLock lock(&shared_->mutex);
    shared_->stream = this;
    shared_->subscription =
        services.node.events.Subscribe([shared = std::weak_ptr<Shared>(shared_),
                                        &executor = services.node.executor] {
          // Elsewhere: whoever publishes is not to wait for this.
          executor.Post([shared] { Wake(shared); });
        });
    // The client knows by it that nothing is missed from now on.
    StartSendInitialMetadata();
    Pump();
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&shared_->mutex);
    writing_ = false;
    if (!ok) cancelled_ = true;
    Pump();
  }

  void OnCancel() override {
    absl::MutexLock lock(&shared_->mutex);
    cancelled_ = true;
    Pump();
  }

  void OnDone() override { delete this; }

 private:
  // What a wake-up that comes after the end of the call finds.
  struct Shared {
    absl::Mutex mutex;
    // Null once the call is finished.
    EventStream* stream ABSL_GUARDED_BY(mutex) = nullptr;
    std::shared_ptr<core::EventBus::Subscription> subscription
        ABSL_GUARDED_BY(mutex);
  };

  static void Wake(const std::weak_ptr<Shared>& weak) {
    const std::shared_ptr<Shared> shared = weak.lock();
    if (shared == nullptr) return;
    absl::MutexLock lock(&shared->mutex);
    if (shared->stream != nullptr) shared->stream->Pump();
  }

  // Sends the next event, if there is one and none is being sent; with the
  // mutex of `shared_` held.
  void Pump() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (writing_ || shared_->stream == nullptr) return;
    if (cancelled_) return End(absl::CancelledError("the client has gone"));
    State state = State::kOpen;
    const core::EventPtr event = shared_->subscription->Take(&state);
    if (event != nullptr) {
      message_ = EventToCri(*event, services_.images);
      writing_ = true;
      StartWrite(&message_);
      return;
    }
    if (state == State::kOverrun) {
      End(absl::ResourceExhaustedError(absl::StrCat(
          "events were lost: the client was more than ",
          core::EventBus::kQueueLimit, " behind; list what is there anew")));
    } else if (state == State::kClosed) {
      End(absl::OkStatus());
    }
  }

  void End(const absl::Status& status) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    shared_->stream = nullptr;
    shared_->subscription.reset();
    Finish(EndOfCall({"GetContainerEvents", ""}, status));
  }

  Services& services_;
  const std::shared_ptr<Shared> shared_;
  bool writing_ = false;
  bool cancelled_ = false;
  ContainerEventResponse message_;
};

}  // namespace

grpc::ServerWriteReactor<ContainerEventResponse>*
RuntimeRpcs::GetContainerEvents(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::GetEventsRequest* /*request*/) {
  return new EventStream(services_);
}

}  // namespace gantry::cri
