#include "shim/io/byte_rate.h"

#include "gtest/gtest.h"

namespace gantry::shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 77 * kSecond;

TEST(ByteRate, WithoutALimitEverythingIsAllowed) {
  ByteRate rate(0);
  EXPECT_FALSE(rate.limited());
  rate.Take(int64_t{1} << 60);
  EXPECT_GT(rate.Allowance(kStart), int64_t{1} << 60);
  EXPECT_EQ(rate.Until(milliseconds(500), kStart), nanoseconds(0));
}

TEST(ByteRate, ARestIsWorthASecondAndNoMore) {
  ByteRate rate(1000);
  EXPECT_EQ(rate.Allowance(kStart), 1000);
  rate.Take(1000);
  EXPECT_EQ(rate.Allowance(kStart), 0);
  EXPECT_EQ(rate.Allowance(kStart + kSecond / 4), 250);
  EXPECT_EQ(rate.Allowance(kStart + 3600 * kSecond), 1000);
}

TEST(ByteRate, WhatIsTakenBeyondTheAllowanceIsPaidForByWaiting) {
  ByteRate rate(1000);
  rate.Allowance(kStart);
  rate.Take(3500);
  EXPECT_LT(rate.Allowance(kStart + 2 * kSecond), 0);
  EXPECT_EQ(rate.Allowance(kStart + 3 * kSecond), 500);
  EXPECT_EQ(rate.Until(milliseconds(0), kStart), milliseconds(2500));
  EXPECT_EQ(rate.Until(milliseconds(500), kStart), milliseconds(3000));
  EXPECT_EQ(rate.Until(milliseconds(500), kStart + 3 * kSecond),
            nanoseconds(0));
}

// Small pieces, asked for much more often than a byte's worth of time.
TEST(ByteRate, HoldsHoweverItIsTaken) {
  for (uint64_t per_second : {1024, 100'000, 1'000'000'000}) {
    ByteRate rate(per_second);
    int64_t taken = 0;
    for (int64_t at = 0; at < 10 * kSecond; at += 77'777) {
      if (rate.Allowance(kStart + at) <= 0) continue;
      const int64_t piece = 40 + at % 100;
      rate.Take(piece);
      taken += piece;
    }
    const double asked = 10 * kSecond / 77'777.0 * 90;
    const double limit = 11.0 * static_cast<double>(per_second);
    EXPECT_LE(taken, limit + 140) << per_second;
    EXPECT_GE(taken, 0.98 * std::min(asked, limit)) << per_second;
  }
}

}  // namespace
}  // namespace gantry::shim
