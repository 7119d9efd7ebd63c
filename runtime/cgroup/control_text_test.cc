#include "runtime/cgroup/control_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::cgroup {
namespace {

using ::testing::ElementsAre;

TEST(ParseLimit, KnowsEverySpellingOfNoLimit) {
  EXPECT_EQ(ParseLimit("max\n"), -1);
  EXPECT_EQ(ParseLimit("-1\n"), -1);
  EXPECT_EQ(ParseLimit("9223372036854771712\n"), -1);  // 4 KiB pages
  EXPECT_EQ(ParseLimit("9223372036854710272\n"), -1);  // 64 KiB pages
  EXPECT_EQ(ParseLimit("18446744073709551615\n"), -1);
  EXPECT_EQ(ParseLimit("4096\n"), 4096);
  EXPECT_EQ(ParseLimit(""), std::nullopt);
  EXPECT_EQ(ParseLimit("lots"), std::nullopt);
}

TEST(FindCount, TakesWholeWordsOnly) {
  const char text[] = "oom_kill_disable 0\nunder_oom 1\noom_kill 3\n";
  EXPECT_EQ(FindCount(text, "oom_kill"), 3);
  EXPECT_EQ(FindCount(text, "oom"), std::nullopt);
  EXPECT_EQ(FindCount("oom_kill", "oom_kill"), std::nullopt);
  EXPECT_EQ(FindCount("", "x"), std::nullopt);
}

TEST(ParsePids, LeavesOutInvisibleProcessesAndRubbish) {
  EXPECT_THAT(ParsePids("12\n0\n-5\nx\n7\n"), ElementsAre(12, 7));
}

TEST(ParsePressure, ReadsBothLines) {
  const auto pressure = ParsePressure(
      "some avg10=1.50 avg60=0.25 avg300=0.00 total=123\n"
      "full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n");
  ASSERT_TRUE(pressure.has_value());
  EXPECT_DOUBLE_EQ(pressure->some.avg10_percent, 1.5);
  EXPECT_DOUBLE_EQ(pressure->some.avg60_percent, 0.25);
  EXPECT_EQ(pressure->some.total_us, 123);
  EXPECT_EQ(pressure->full.total_us, 45);
  EXPECT_FALSE(ParsePressure("").has_value());
}

}  // namespace
}  // namespace gantry::cgroup
