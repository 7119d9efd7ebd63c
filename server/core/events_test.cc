#include "server/core/events.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::core {
namespace {

using ::testing::SizeIs;

TEST(EventBus, EverySubscriberGetsEventsInOrder) {
  EventBus bus;
  int wakes = 0;
  auto first = bus.Subscribe([&wakes] { ++wakes; });
  auto second = bus.Subscribe([] {});
  for (int64_t i = 0; i < 3; ++i) {
    bus.Publish({Event::Kind::kCreated, "pod", "", i});
  }
  for (const auto& subscription : {first, second}) {
    size_t lost = 1;
    std::vector<Event> events = subscription->Take(&lost);
    EXPECT_EQ(lost, 0u);
    ASSERT_THAT(events, SizeIs(3));
    for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(events[i].at, i);
  }
  EXPECT_EQ(wakes, 3);
}

TEST(EventBus, ASubscriberThatDoesNotTakeLosesTheOldestAndIsTold) {
  EventBus bus;
  auto subscription = bus.Subscribe([] {});
  for (int64_t i = 0; i < 5000; ++i) {
    bus.Publish({Event::Kind::kStopped, "pod", "", i});
  }
  size_t lost = 0;
  std::vector<Event> events = subscription->Take(&lost);
  EXPECT_EQ(events.size() + lost, 5000u);
  EXPECT_EQ(events.front().at, static_cast<int64_t>(lost));
  EXPECT_EQ(events.back().at, 4999);
}

TEST(EventBus, ADroppedSubscriptionIsNotCalledAnyMore) {
  EventBus bus;
  int wakes = 0;
  auto subscription = bus.Subscribe([&wakes] { ++wakes; });
  subscription.reset();
  bus.Publish({});
  EXPECT_EQ(wakes, 0);
}

}  // namespace
}  // namespace gantry::core
