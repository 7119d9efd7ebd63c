#include "server/core/steps.h"

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/step_log.h"

namespace gantry::core {
namespace {

// Each look at it takes a millisecond.
class Ticking : public Clock {
 public:
  int64_t UnixNanos() const override { return 0; }
  int64_t BootNanos() const override { return now_ += 1'000'000; }

 private:
  mutable int64_t now_ = 0;
};

class StepsTest : public ::testing::Test, public StepObserver {
 protected:
  void OnCallEnded(const WatchedCall& call) override { call_ = call; }

  const WatchedCall& End(absl::StatusCode code = absl::StatusCode::kOk) {
    steps_.EndCall(code);
    steps_.Tell("Verb", "a\nb");
    return call_;
  }

  const std::vector<StepObserver*> observers_ = {this};
  Ticking clock_;
  Steps steps_{observers_, clock_};
  WatchedCall call_;
};

TEST_F(StepsTest, AreThereOnlyWhereSomebodyWatches) {
  const std::vector<StepObserver*> nobody;
  EXPECT_EQ(WatchCall(nobody, clock_), nullptr);
  EXPECT_NE(WatchCall(observers_, clock_), nullptr);
}

TEST_F(StepsTest, AnEmptySpanMeasuresNothing) {
  StepSpan span(StepScope{}, "x");
  span.Next("y");
  EXPECT_FALSE(span.inside().is_watched());
  span.End();
  AddShimSteps(shim::Started(), clock_, span.inside());
}

TEST_F(StepsTest, ATreeIsOrderedAndIndented) {
  {
    StepSpan span({&steps_}, "first");
    span.Next("second");
    StepSpan part(span.inside(), "part");
    part.Next("other part");
  }
  steps_.Begin("last", -1);
  EXPECT_EQ(StepTree(End(absl::StatusCode::kNotFound)),
            "Verb a\\nb: NOT_FOUND after 10000 us\n"
            "      1000      1000  first\n"
            "      3000      5000  second\n"
            "      4000      1000    part\n"
            "      6000      1000    other part\n"
            "      9000      1000  last");
}

TEST_F(StepsTest, ACallWithoutStepsIsOneLine) {
  EXPECT_EQ(StepTree(End()), "Verb a\\nb: OK after 1000 us");
}

TEST_F(StepsTest, TheShimsGoFromOneToTheNext) {
  shim::Started started;
  for (int i = 1; i <= 2; ++i) {
    shim::Step* step = started.add_steps();
    step->set_name("shim " + std::to_string(i));
    step->set_begun_at(i * 100);
  }
  StepSpan span({&steps_}, "wait");
  AddShimSteps(started, clock_, span.inside());
  span.End();
  const WatchedCall& call = End();
  ASSERT_EQ(call.steps.size(), 3u);
  EXPECT_EQ(call.steps[1].name, "shim 1");
  EXPECT_EQ(call.steps[1].begun_at, 100);
  EXPECT_EQ(call.steps[1].ended_at, 200);
  EXPECT_EQ(call.steps[1].parent, 0);
  EXPECT_EQ(call.steps[2].ended_at, 3'000'000);
}

TEST_F(StepsTest, MayComeFromManyThreads) {
  Steps steps(observers_, RealClock());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&steps] {
      for (int round = 0; round < 100; ++round) {
        StepSpan outer({&steps}, "outer");
        StepSpan inner(outer.inside(), "inner");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  steps.EndCall(absl::StatusCode::kOk);
  steps.Tell("Verb", "");
  const std::vector<Step>& told = call_.steps;
  ASSERT_EQ(told.size(), 800u);
  for (const Step& step : told) {
    EXPECT_LE(step.begun_at, step.ended_at);
    if (step.name == "outer") continue;
    EXPECT_EQ(told[step.parent].name, "outer");
    EXPECT_LE(told[step.parent].begun_at, step.begun_at);
    EXPECT_GE(told[step.parent].ended_at, step.ended_at);
  }
}

}  // namespace
}  // namespace gantry::core
