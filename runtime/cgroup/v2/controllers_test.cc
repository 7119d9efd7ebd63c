#include "runtime/cgroup/v2/controllers.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cgroup::v2 {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(V2Memory, SwapLimitIsTheSwapAlone) {
  Resources resources;
  resources.memory_limit = 100;
  resources.memory_swap = 150;
  EXPECT_THAT(MemoryWrites(resources, {}),
              IsOkAndHolds(ElementsAre(FileWrite{"memory.max", "100"},
                                       FileWrite{"memory.swap.max", "50"})));
}

TEST(V2Memory, NoSwapNeedsNoSwapAccounting) {
  Resources resources;
  resources.memory_limit = 100;
  resources.memory_swap = 100;
  EXPECT_THAT(MemoryWrites(resources, {}),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"memory.max", "100"},
                  FileWrite{"memory.swap.max", "0", IfMissing::kSkip})));
}

TEST(V2Memory, SwapAloneCountsFromTheLimitInForce) {
  Resources resources;
  resources.memory_swap = 180;
  EXPECT_THAT(MemoryWrites(resources, {.memory = 100}),
              IsOkAndHolds(ElementsAre(FileWrite{"memory.swap.max", "80"})));
}

TEST(V2Memory, LiftingTheLimitLiftsSwapToo) {
  Resources resources;
  resources.memory_limit = -1;
  resources.memory_reservation = -1;
  EXPECT_THAT(MemoryWrites(resources, {.memory = 100}),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"memory.max", "max"},
                  FileWrite{"memory.swap.max", "max", IfMissing::kSkip},
                  FileWrite{"memory.low", "0"})));
}

TEST(V2Memory, SwapBelowTheLimitIsRefused) {
  Resources resources;
  resources.memory_limit = 100;
  resources.memory_swap = 99;
  EXPECT_THAT(MemoryWrites(resources, {}), StatusIs(kInvalid));
}

TEST(V2Cpu, SharesScaleMeetsAtEndsAndDefault) {
  EXPECT_EQ(WeightFromShares(0), 1);
  EXPECT_EQ(WeightFromShares(2), 1);
  EXPECT_EQ(WeightFromShares(1024), 100);
  EXPECT_EQ(WeightFromShares(262144), 10000);
  EXPECT_EQ(WeightFromShares(1 << 30), 10000);
}

TEST(V2Cpu, WeightNeverFallsAsSharesRise) {
  for (uint64_t shares = 2; shares < 262144; ++shares) {
    ASSERT_LE(WeightFromShares(shares), WeightFromShares(shares + 1)) << shares;
  }
}

TEST(V2Cpu, QuotaAloneLeavesThePeriod) {
  Resources resources;
  resources.cpu_quota = 50000;
  EXPECT_THAT(CpuWrites(resources, {}),
              IsOkAndHolds(ElementsAre(FileWrite{"cpu.max", "50000"})));
}

TEST(V2Cpu, PeriodAloneKeepsTheQuotaInForce) {
  Resources resources;
  resources.cpu_period = 20000;
  EXPECT_THAT(CpuWrites(resources, {.cpu_quota = 7000}),
              IsOkAndHolds(ElementsAre(FileWrite{"cpu.max", "7000 20000"})));
  EXPECT_THAT(CpuWrites(resources, {}),
              IsOkAndHolds(ElementsAre(FileWrite{"cpu.max", "max 20000"})));
}

TEST(V2Hugetlb, FilesEndInMax) {
  Resources resources;
  resources.hugepage_limits = {{"1GB", 0}};
  EXPECT_THAT(HugetlbWrites(resources),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"hugetlb.1GB.max", "0"},
                  FileWrite{"hugetlb.1GB.rsvd.max", "0", IfMissing::kSkip})));
}

TEST(V2Io, WeightIsConvertedForIocostOnly) {
  EXPECT_EQ(IoWeightFromBlkio(10), 1);
  EXPECT_EQ(IoWeightFromBlkio(1000), 10000);
  Resources resources;
  resources.block_io.weight = 1000;
  EXPECT_THAT(IoWrites(resources),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"io.bfq.weight", "1000", IfMissing::kNext},
                  FileWrite{"io.weight", "10000"})));
}

TEST(V2Io, RatesOfOneDeviceShareALine) {
  Resources resources;
  resources.block_io.read_bps = {{8, 0, 1024}};
  resources.block_io.write_iops = {{8, 0, 0}, {9, 1, 7}};
  EXPECT_THAT(IoWrites(resources),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"io.max", "8:0 rbps=1024 wiops=max",
                            IfMissing::kFail, "8:0 rbps=max wiops=max"},
                  FileWrite{"io.max", "9:1 wiops=7", IfMissing::kFail,
                            "9:1 wiops=max"})));
}

TEST(V2Unified, LinesAreWrittenOneByOne) {
  Resources resources;
  resources.unified = {{"memory.high", "1000"},
                       {"io.max", "8:0 rbps=1\n8:16 wbps=2\n"}};
  EXPECT_THAT(
      UnifiedWrites(resources),
      IsOkAndHolds(ElementsAre(
          FileWrite{"memory.high", "1000"},
          FileWrite{"io.max", "8:0 rbps=1", IfMissing::kFail, "8:0 rbps=max"},
          FileWrite{"io.max", "8:16 wbps=2", IfMissing::kFail,
                    "8:16 wbps=max"})));
}

TEST(V2Unified, FilesThatSetNoLimitAreRefused) {
  for (const char* file :
       {"cgroup.procs", "cgroup.kill", "cgroup.subtree_control", "../x.y",
        "a/memory.max", "procs", ".x", ""}) {
    Resources resources;
    resources.unified = {{file, "1"}};
    EXPECT_THAT(UnifiedWrites(resources), StatusIs(kInvalid)) << file;
  }
}

TEST(V2, NothingAskedIsNothingWritten) {
  EXPECT_THAT(MemoryWrites({}, {}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(CpuWrites({}, {}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(CpusetWrites({}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(PidsWrites({}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(HugetlbWrites({}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(IoWrites({}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(UnifiedWrites({}), IsOkAndHolds(IsEmpty()));
}

}  // namespace
}  // namespace gantry::cgroup::v2
