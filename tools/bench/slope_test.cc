#include "tools/bench/slope.h"

#include <functional>

#include "gtest/gtest.h"

namespace gantry::bench {
namespace {

std::vector<Reading> Readings(int count,
                              const std::function<double(int)>& value) {
  std::vector<Reading> readings;
  for (int i = 0; i < count; ++i) {
    readings.push_back({.operations = 500.0 * i, .count = value(i)});
  }
  return readings;
}

TEST(Slope, WhatGrowsGrows) {
  const Slope slope =
      SlopeOf(Readings(20, [](int i) { return 7 + 2.0 * i; }), 1);
  EXPECT_EQ(slope.verdict, Verdict::kGrows);
  EXPECT_NEAR(slope.per_thousand, 4, 1e-9);
  EXPECT_NEAR(slope.noise, 0, 1e-6);
}

TEST(Slope, WhatIsTheSameIsFlat) {
  const Slope slope = SlopeOf(Readings(20, [](int) { return 42.0; }), 1);
  EXPECT_EQ(slope.verdict, Verdict::kFlat);
  EXPECT_EQ(slope.per_thousand, 0);
  EXPECT_EQ(SlopeOf(Readings(20, [](int i) { return 42.0 - i; }), 1).verdict,
            Verdict::kFlat);
}

TEST(Slope, WhatGoesUpAndDownIsFlat) {
  const auto jumps = [](int i) { return i % 3 == 0 ? 40.0 : 10.0 + i % 2; };
  const Slope slope = SlopeOf(Readings(20, jumps), 1);
  EXPECT_EQ(slope.verdict, Verdict::kFlat);
  EXPECT_GT(slope.noise, 0.5);
}

TEST(Slope, ALeakIsSeenThroughNoise) {
  const auto leak = [](int i) { return 3.0 * i + (i % 2 == 0 ? 5 : -5); };
  EXPECT_EQ(SlopeOf(Readings(24, leak), 1).verdict, Verdict::kGrows);
}

TEST(Slope, WhatWarmsUpIsFlat) {
  const auto warm = [](int i) { return i < 10 ? 100.0 * i : 1000.0; };
  EXPECT_EQ(SlopeOf(Readings(20, warm), 1).verdict, Verdict::kFlat);
}

TEST(Slope, LessThanWhatMattersIsFlat) {
  const auto slow = [](int i) { return 10.0 * i; };
  EXPECT_EQ(SlopeOf(Readings(20, slow), 91).verdict, Verdict::kFlat);
  EXPECT_EQ(SlopeOf(Readings(20, slow), 89).verdict, Verdict::kGrows);
}

TEST(Slope, TooLittleTellsNothing) {
  const auto any = [](int i) { return 1.0 * i; };
  EXPECT_EQ(SlopeOf({}, 1).verdict, Verdict::kUnknown);
  EXPECT_EQ(SlopeOf(Readings(8, any), 1).verdict, Verdict::kUnknown);
  EXPECT_EQ(SlopeOf(Readings(9, any), 1).verdict, Verdict::kGrows);
  // Nobody did anything.
  EXPECT_EQ(SlopeOf(std::vector<Reading>(20), 1).verdict, Verdict::kUnknown);
}

}  // namespace
}  // namespace gantry::bench
