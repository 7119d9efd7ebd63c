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

TEST(Report, WhatIsNoDurationIsAValueWithAUnit) {
  Report report("exec");
  report.AddValue("execs per second", 612.5, "1/s");
  report.AddValue("server PSS", 12345678, "B");
  report.AddFailure("exec: gone\n");
  EXPECT_EQ(report.Table(),
            "VALUE                             UNIT\n"
            "execs per second        612.500   1/s\n"
            "server PSS             12345678   B\n"
            "FAILED: exec: gone?\n");
  ASSERT_OK_AND_ASSIGN(const json::Value parsed,
                       json::Value::Parse(report.Json(), "report"));
  ASSERT_OK_AND_ASSIGN(const auto values, parsed.ArrayField("values"));
  EXPECT_THAT(values[0].Find("value")->Number(),
              gantry::testing::IsOkAndHolds(612.5));
  EXPECT_THAT(values[1].StringField("unit"),
              gantry::testing::IsOkAndHolds("B"));
  EXPECT_EQ(report.ValueOf("server PSS"), 12345678);
  EXPECT_EQ(report.ValueOf("none"), 0);
}

}  // namespace
}  // namespace gantry::bench
