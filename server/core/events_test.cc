#include "server/core/events.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::core {
namespace {

using State = EventBus::Subscription::State;
using ::testing::ElementsAre;

void Publish(EventBus& bus, int64_t at) {
  Event event;
  event.kind = Event::Kind::kStopped;
  event.pod_id = "pod";
  event.at = at;
  bus.Publish(std::move(event), [](Event&) {});
}

std::vector<int64_t> TakeAll(EventBus::Subscription& subscription,
                             State* state) {
  std::vector<int64_t> times;
  while (EventPtr event = subscription.Take(state)) times.push_back(event->at);
  return times;
}

TEST(EventBus, EverySubscriberGetsEventsInOrder) {
  EventBus bus;
  int wakes = 0;
  auto first = bus.Subscribe([&wakes] { ++wakes; });
  auto second = bus.Subscribe([] {});
  for (int64_t i = 0; i < 3; ++i) Publish(bus, i);
  for (const auto& subscription : {first, second}) {
    State state = State::kClosed;
    EXPECT_THAT(TakeAll(*subscription, &state), ElementsAre(0, 1, 2));
    EXPECT_EQ(state, State::kOpen);
  }
  EXPECT_EQ(wakes, 3);
}

TEST(EventBus, ASubscriberThatDoesNotTakeIsCutOffAndTold) {
  EventBus bus;
  int wakes = 0;
  auto subscription = bus.Subscribe([&wakes] { ++wakes; });
  const int limit = EventBus::kQueueLimit;
  for (int i = 0; i < limit + 100; ++i) Publish(bus, i);
  State state = State::kOpen;
  EXPECT_THAT(TakeAll(*subscription, &state), ElementsAre());
  EXPECT_EQ(state, State::kOverrun);
  EXPECT_EQ(wakes, limit + 1);
}

TEST(EventBus, ADroppedSubscriptionIsNotCalledAnyMore) {
  EventBus bus;
  int calls = 0;
  auto subscription = bus.Subscribe([&calls] { ++calls; });
  auto watch = bus.Watch([&calls](const Event&) { ++calls; });
  subscription.reset();
  watch.reset();
  Publish(bus, 1);
  bus.Close();
  EXPECT_EQ(calls, 0);
}

TEST(EventBus, IsCompletedOnceAndOnlyForSubscribers) {
  EventBus bus;
  std::vector<std::string> seen;
  auto watch = bus.Watch(
      [&seen](const Event& event) { seen.push_back(event.container_id); });
  int completed = 0;
  auto publish = [&bus, &completed](const std::string& container_id) {
    Event event;
    event.container_id = container_id;
    bus.Publish(std::move(event), [&completed](Event& e) {
      ++completed;
      e.pod = std::make_shared<const record::PodRecord>();
    });
  };
  publish("a");
  EXPECT_EQ(completed, 0);
  auto first = bus.Subscribe([] {});
  auto second = bus.Subscribe([] {});
  publish("b");
  EXPECT_EQ(completed, 1);
  State state;
  EXPECT_NE(first->Take(&state)->pod, nullptr);
  EXPECT_NE(second->Take(&state)->pod, nullptr);
  EXPECT_THAT(seen, ElementsAre("a", "b"));
}

TEST(EventBus, CloseEndsSubscriptionsAfterWhatIsQueued) {
  EventBus bus;
  int wakes = 0;
  auto before = bus.Subscribe([&wakes] { ++wakes; });
  Publish(bus, 1);
  bus.Close();
  Publish(bus, 2);
  State state = State::kOpen;
  EXPECT_THAT(TakeAll(*before, &state), ElementsAre(1));
  EXPECT_EQ(state, State::kClosed);
  EXPECT_EQ(wakes, 2);
  auto after = bus.Subscribe([] {});
  EXPECT_EQ(after->Take(&state), nullptr);
  EXPECT_EQ(state, State::kClosed);
}

}  // namespace
}  // namespace gantry::core
