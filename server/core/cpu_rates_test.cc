#include "server/core/cpu_rates.h"

#include "gtest/gtest.h"

namespace gantry::core {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(CpuRates, TwoReadsGiveARate) {
  CpuRates rates;
  EXPECT_EQ(rates.Note("a", 100, 5 * kSecond), std::nullopt);
  EXPECT_EQ(rates.Note("a", 100 + kSecond, 7 * kSecond), kSecond / 2);
  EXPECT_EQ(rates.Note("a", 100 + kSecond, 8 * kSecond), 0);
  EXPECT_EQ(rates.Note("b", 1, 9 * kSecond), std::nullopt);
}

TEST(CpuRates, ReadsInQuickSuccessionUseTheOneBefore) {
  CpuRates rates;
  EXPECT_EQ(rates.Note("a", 0, 0), std::nullopt);
  // Nothing to compare with but what was just read.
  EXPECT_EQ(rates.Note("a", 10, 1000), std::nullopt);
  EXPECT_EQ(rates.Note("a", kSecond, kSecond), kSecond);
  EXPECT_EQ(rates.Note("a", kSecond + kSecond / 10, kSecond + kSecond / 10),
            kSecond);
}

TEST(CpuRates, WhatLiesLongBackIsNotRecent) {
  CpuRates rates;
  rates.Note("a", 0, 0);
  EXPECT_EQ(rates.Note("a", 10, CpuRates::kLongestSpan + 1), std::nullopt);
  EXPECT_EQ(rates.Note("a", 10, CpuRates::kLongestSpan + 1 + kSecond), 0);
}

TEST(CpuRates, ACounterThatBeginsAnewHasNoRate) {
  CpuRates rates;
  rates.Note("a", 1000, 0);
  EXPECT_EQ(rates.Note("a", 10, kSecond), std::nullopt);
  EXPECT_EQ(rates.Note("a", 20, 2 * kSecond), 10);
}

TEST(CpuRates, WhatIsForgottenBeginsAnew) {
  CpuRates rates;
  rates.Note("a", 0, 0);
  rates.Forget("a");
  EXPECT_EQ(rates.Note("a", 10, kSecond), std::nullopt);
}

}  // namespace
}  // namespace gantry::core
