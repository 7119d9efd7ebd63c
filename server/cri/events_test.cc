// GetContainerEvents, over a unix socket.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "server/core/publish.h"
#include "server/cri/testing/rpc_case.h"

namespace gantry::cri {
namespace {

namespace api = ::runtime::v1;
using ::testing::HasSubstr;
using Kind = core::Event::Kind;

class EventsTest : public testing::RpcCase {
 protected:
  // A client that follows events; returns once nothing is missed any more.
  class Follower {
   public:
    explicit Follower(api::RuntimeService::Stub& stub)
        : reader_(stub.GetContainerEvents(&context_, {})) {
      reader_->WaitForInitialMetadata();
    }
    ~Follower() {
      context_.TryCancel();
      if (!finished_) Finish();
    }
    bool Next(api::ContainerEventResponse* event) {
      return reader_->Read(event);
    }
    void Leave() { context_.TryCancel(); }
    grpc::Status Finish() {
      finished_ = true;
      return reader_->Finish();
    }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<api::ContainerEventResponse>> reader_;
    bool finished_ = false;
  };

  void Publish(Kind kind, const record::ContainerRecord& container) {
    core::PublishContainerEvent(services_.node(), kind, container);
  }
};

TEST_F(EventsTest, EveryFollowerIsToldInOrderWithTheStatusesAfterIt) {
  PutPod("p1", record::PodRecord::READY);
  Follower first(*runtime_);
  Follower second(*runtime_);
  core::PublishPodEvent(services_.node(), Kind::kStarted, "p1");
  record::ContainerRecord container = PutContainer("c1", "p1");
  Publish(Kind::kCreated, container);
  PutContainer("elsewhere", "p2");
  container.set_state(record::ContainerRecord::RUNNING);
  services_.node().containers.Put(container);
  Publish(Kind::kStarted, container);
  services_.node().containers.Erase("c1");
  Publish(Kind::kDeleted, container);

  for (Follower* follower : {&first, &second}) {
    api::ContainerEventResponse event;
    ASSERT_TRUE(follower->Next(&event));
    EXPECT_EQ(event.container_id(), "p1");
    EXPECT_EQ(event.container_event_type(), api::CONTAINER_STARTED_EVENT);
    EXPECT_EQ(event.pod_sandbox_status().state(), api::SANDBOX_READY);
    EXPECT_EQ(event.containers_statuses_size(), 0);
    EXPECT_GT(event.created_at(), 0);
    ASSERT_TRUE(follower->Next(&event));
    EXPECT_EQ(event.container_id(), "c1");
    EXPECT_EQ(event.container_event_type(), api::CONTAINER_CREATED_EVENT);
    EXPECT_EQ(event.pod_sandbox_status().id(), "p1");
    ASSERT_EQ(event.containers_statuses_size(), 1);
    EXPECT_EQ(event.containers_statuses(0).state(), api::CONTAINER_CREATED);
    ASSERT_TRUE(follower->Next(&event));
    EXPECT_EQ(event.container_event_type(), api::CONTAINER_STARTED_EVENT);
    EXPECT_EQ(event.containers_statuses(0).state(), api::CONTAINER_RUNNING);
    ASSERT_TRUE(follower->Next(&event));
    EXPECT_EQ(event.container_event_type(), api::CONTAINER_DELETED_EVENT);
    EXPECT_EQ(event.containers_statuses_size(), 0);
  }
}

TEST_F(EventsTest, ADeletedPodIsToldWithItsLastStatus) {
  Follower follower(*runtime_);
  auto last = std::make_shared<record::PodRecord>();
  last->set_id("p1");
  last->mutable_metadata()->set_uid("u1");
  core::PublishPodDeleted(services_.node(), last);
  api::ContainerEventResponse event;
  ASSERT_TRUE(follower.Next(&event));
  EXPECT_EQ(event.container_id(), "p1");
  EXPECT_EQ(event.container_event_type(), api::CONTAINER_DELETED_EVENT);
  EXPECT_EQ(event.pod_sandbox_status().metadata().uid(), "u1");
  EXPECT_EQ(event.pod_sandbox_status().state(), api::SANDBOX_NOTREADY);
}

TEST_F(EventsTest, NobodyIsToldOfAPause) {
  Follower follower(*runtime_);
  record::ContainerRecord pause = PutContainer("pause", "p1");
  pause.mutable_spec()->set_pause(true);
  services_.node().containers.Put(pause);
  Publish(Kind::kStarted, pause);
  Publish(Kind::kCreated, PutContainer("c1", "p1"));
  api::ContainerEventResponse event;
  ASSERT_TRUE(follower.Next(&event));
  EXPECT_EQ(event.container_id(), "c1");
  ASSERT_EQ(event.containers_statuses_size(), 1);
  EXPECT_EQ(event.containers_statuses(0).id(), "c1");
}

TEST_F(EventsTest, WhoReadsTooSlowlyIsCutOffAndTheOthersAreNot) {
  Follower slow(*runtime_);
  Follower good(*runtime_);
  record::ContainerRecord container = PutContainer("c1", "p1");
  // So that the queue is more than what lies in the socket's buffers.
  (*container.mutable_annotations())["note"] = std::string(16 << 10, 'x');
  services_.node().containers.Put(container);
  const int limit = core::EventBus::kQueueLimit;
  const int count = 2 * limit;
  std::atomic<int> good_count = 0;
  std::atomic<bool> good_ended = false;
  std::thread publisher([&] {
    for (int i = 0; i < count; ++i) {
      // The good one is never far behind.
      while (!good_ended && i - good_count > limit / 4) {
        absl::SleepFor(absl::Milliseconds(1));
      }
      Publish(Kind::kStarted, container);
    }
  });
  api::ContainerEventResponse event;
  while (good_count < count && good.Next(&event)) ++good_count;
  good_ended = true;
  publisher.join();
  EXPECT_EQ(good_count, count);
  int slow_count = 0;
  while (slow.Next(&event)) ++slow_count;
  grpc::Status status = slow.Finish();
  EXPECT_LT(slow_count, count);
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("events were lost"));
}

TEST_F(EventsTest, AClientThatLeavesIsForgotten) {
  auto follower = std::make_unique<Follower>(*runtime_);
  follower->Leave();
  EXPECT_EQ(follower->Finish().error_code(), grpc::CANCELLED);
  follower.reset();
  Publish(Kind::kStarted, PutContainer("c1", "p1"));
}

TEST_F(EventsTest, ADrainEndsTheStreamAfterWhatHasHappened) {
  Follower follower(*runtime_);
  Publish(Kind::kStarted, PutContainer("c1", "p1"));
  const absl::Time begin = absl::Now();
  std::thread drain([this] { server_->Shutdown(absl::Seconds(30)); });
  api::ContainerEventResponse event;
  EXPECT_TRUE(follower.Next(&event));
  EXPECT_FALSE(follower.Next(&event));
  EXPECT_TRUE(follower.Finish().ok());
  drain.join();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  server_.reset();
}

}  // namespace
}  // namespace gantry::cri
