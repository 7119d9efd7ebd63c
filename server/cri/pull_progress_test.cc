#include "server/cri/pull_progress.h"

#include "gtest/gtest.h"

namespace gantry::cri {
namespace {

using admin::v1::LayerProgress;
using admin::v1::PullProgress;
using core::LayerPhase;

core::LayerState State(size_t index, LayerPhase phase, int64_t done = 0) {
  return {.index = index,
          .count = 2,
          .blob = image::DigestOf(index == 0 ? "a" : "b"),
          .phase = phase,
          .done = done,
          .total = 1000};
}

class PullProgressTest : public ::testing::Test {
 protected:
  std::optional<PullProgress> Take(int ms, bool last = false) {
    return table_.Take(absl::UnixEpoch() + absl::Milliseconds(ms), last);
  }
  PullProgressTable table_;
};

TEST_F(PullProgressTest, FirstMessageHasAllLayers) {
  EXPECT_FALSE(Take(0));
  table_.Update(State(0, LayerPhase::kPresent));
  EXPECT_FALSE(Take(0));
  table_.Update(State(1, LayerPhase::kWaiting));
  const auto message = Take(0);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->layer_count(), 2);
  ASSERT_EQ(message->layers_size(), 2);
  EXPECT_EQ(message->layers(0).phase(), LayerProgress::PRESENT);
  EXPECT_EQ(message->layers(1).digest(), image::DigestOf("b").ToString());
  EXPECT_EQ(message->layers(1).total(), 1000);
  EXPECT_FALSE(Take(1000));
}

TEST_F(PullProgressTest, BytesAreToldAtABoundedRateTheNewestOnly) {
  table_.Update(State(0, LayerPhase::kPulling, 1));
  table_.Update(State(1, LayerPhase::kPulling, 1));
  ASSERT_TRUE(Take(0));
  int messages = 0;
  for (int ms = 1; ms <= 1000; ++ms) {
    table_.Update(State(0, LayerPhase::kPulling, ms));
    const auto message = Take(ms);
    if (!message) continue;
    ++messages;
    ASSERT_EQ(message->layers_size(), 1);
    EXPECT_EQ(message->layers(0).done(), ms);
  }
  EXPECT_EQ(messages, 10);
}

TEST_F(PullProgressTest, AChangeOfPhaseDoesNotWait) {
  table_.Update(State(0, LayerPhase::kPulling, 1));
  table_.Update(State(1, LayerPhase::kPulling, 1));
  ASSERT_TRUE(Take(0));
  table_.Update(State(1, LayerPhase::kDone, 1000));
  const auto message = Take(1);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->layers(0).phase(), LayerProgress::DONE);
}

TEST_F(PullProgressTest, TheLastMessageHasWhatIsLeft) {
  table_.Update(State(0, LayerPhase::kPulling, 1));
  table_.Update(State(1, LayerPhase::kPulling, 1));
  ASSERT_TRUE(Take(0));
  table_.Update(State(0, LayerPhase::kPulling, 5));
  EXPECT_FALSE(Take(1));
  EXPECT_TRUE(Take(1, true));
  EXPECT_FALSE(Take(1, true));
}

}  // namespace
}  // namespace gantry::cri
