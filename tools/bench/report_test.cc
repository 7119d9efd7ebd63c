#include "tools/bench/report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/json/json.h"

namespace gantry::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Samples, PercentilesAreSamplesByNearestRank) {
  Samples samples;
  EXPECT_EQ(samples.Median(), 0);
  for (int i = 100; i >= 1; --i) samples.Add(i);
  EXPECT_EQ(samples.Median(), 50);
  EXPECT_EQ(samples.Percentile(90), 90);
  EXPECT_EQ(samples.Percentile(99), 99);
  EXPECT_EQ(samples.Percentile(100), 100);
  EXPECT_EQ(samples.Percentile(0), 1);
  Samples one;
  one.Add(7);
  EXPECT_EQ(one.Percentile(99), 7);
}

TEST(Report, RatiosAreOfMediansToTheFloors) {
  Report report("latency");
  report.SetFact("endpoint", "unix:///x");
  report.SetFloor("floor");
  report.Row("floor").Add(2'000'000);
  report.Row("StartContainer").Add(5'000'000);
  EXPECT_THAT(report.Table(), HasSubstr("endpoint: unix:///x\n"));
  EXPECT_THAT(report.Table(), HasSubstr("StartContainer      5.000      5.000"
                                        "      5.000      2.50\n"));
  const auto json = json::Value::Parse(report.Json(), "report");
  ASSERT_OK(json);
  const auto rows = json->ArrayField("rows");
  ASSERT_OK(rows);
  EXPECT_THAT((*rows)[1].IntField("median_ns"),
              gantry::testing::IsOkAndHolds(5'000'000));
  EXPECT_THAT((*rows)[1].Find("times_floor")->Number(),
              gantry::testing::IsOkAndHolds(2.5));
}

TEST(Report, WithoutAFloorThereAreNoRatios) {
  Report report("parallel");
  report.Row("whole life").Add(1);
  EXPECT_THAT(report.Table(), Not(HasSubstr("FLOOR")));
  EXPECT_THAT(report.Json(), Not(HasSubstr("times_floor")));
}

}  // namespace
}  // namespace gantry::bench
