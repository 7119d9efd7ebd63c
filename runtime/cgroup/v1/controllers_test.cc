#include "runtime/cgroup/v1/controllers.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cgroup::v1 {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Resources Memory(std::optional<int64_t> limit, std::optional<int64_t> swap) {
  Resources resources;
  resources.memory_limit = limit;
  resources.memory_swap = swap;
  return resources;
}

TEST(V1Memory, NothingAskedIsNothingWritten) {
  EXPECT_THAT(MemoryWrites({}, {}), IsOkAndHolds(IsEmpty()));
}

TEST(V1Memory, FreshCgroupGetsTheLimitBeforeTheSwapLimit) {
  EXPECT_THAT(MemoryWrites(Memory(100, 150), {}),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"memory.limit_in_bytes", "100"},
                  FileWrite{"memory.memsw.limit_in_bytes", "150"})));
}

TEST(V1Memory, NoSwapNeedsNoSwapAccounting) {
  EXPECT_THAT(
      MemoryWrites(Memory(100, 100), {}),
      IsOkAndHolds(ElementsAre(
          FileWrite{"memory.limit_in_bytes", "100"},
          FileWrite{"memory.memsw.limit_in_bytes", "100", IfMissing::kSkip})));
}

TEST(V1Memory, LimitAboveTheSwapLimitInForceRaisesThatFirst) {
  EXPECT_THAT(
      MemoryWrites(Memory(300, 400), {.memory = 100, .memory_swap = 200}),
      IsOkAndHolds(ElementsAre(FileWrite{"memory.memsw.limit_in_bytes", "400"},
                               FileWrite{"memory.limit_in_bytes", "300"})));
}

TEST(V1Memory, LoweringBothLowersTheLimitFirst) {
  EXPECT_THAT(MemoryWrites(Memory(50, 60), {.memory = 100, .memory_swap = 200}),
              IsOkAndHolds(
                  ElementsAre(FileWrite{"memory.limit_in_bytes", "50"},
                              FileWrite{"memory.memsw.limit_in_bytes", "60"})));
}

TEST(V1Memory, LimitChangedAloneKeepsTheSwapAllowance) {
  EXPECT_THAT(
      MemoryWrites(Memory(500, std::nullopt),
                   {.memory = 100, .memory_swap = 150}),
      IsOkAndHolds(ElementsAre(FileWrite{"memory.memsw.limit_in_bytes", "550"},
                               FileWrite{"memory.limit_in_bytes", "500"})));
}

TEST(V1Memory, LiftingTheLimitLiftsTheSwapLimitFirst) {
  EXPECT_THAT(
      MemoryWrites(Memory(-1, std::nullopt),
                   {.memory = 100, .memory_swap = 150}),
      IsOkAndHolds(ElementsAre(
          FileWrite{"memory.memsw.limit_in_bytes", "-1", IfMissing::kSkip},
          FileWrite{"memory.limit_in_bytes", "-1"})));
}

TEST(V1Memory, SwapAloneIsCheckedAgainstTheLimitInForce) {
  EXPECT_THAT(MemoryWrites(Memory(std::nullopt, 90), {.memory = 100}),
              StatusIs(kInvalid, HasSubstr("memory_swap 90")));
  EXPECT_THAT(MemoryWrites(Memory(std::nullopt, 90), {}),
              StatusIs(kInvalid, HasSubstr("needs a memory_limit")));
}

TEST(V1Memory, ZeroAndNegativeLimitsAreRefused) {
  EXPECT_THAT(MemoryWrites(Memory(0, std::nullopt), {}), StatusIs(kInvalid));
  EXPECT_THAT(MemoryWrites(Memory(-2, std::nullopt), {}), StatusIs(kInvalid));
}

TEST(V1Cpu, PeriodComesBeforeQuota) {
  Resources resources;
  resources.cpu_shares = 512;
  resources.cpu_quota = 50000;
  resources.cpu_period = 100000;
  EXPECT_THAT(
      CpuWrites(resources, {}),
      IsOkAndHolds(ElementsAre(FileWrite{"cpu.shares", "512"},
                               FileWrite{"cpu.cfs_period_us", "100000"},
                               FileWrite{"cpu.cfs_quota_us", "50000"})));
}

TEST(V1Cpu, QuotaInForceIsLiftedBeforeThePeriodChanges) {
  Resources resources;
  resources.cpu_quota = 5000;
  resources.cpu_period = 10000;
  EXPECT_THAT(CpuWrites(resources, {.cpu_quota = 50000}),
              IsOkAndHolds(ElementsAre(FileWrite{"cpu.cfs_quota_us", "-1"},
                                       FileWrite{"cpu.cfs_period_us", "10000"},
                                       FileWrite{"cpu.cfs_quota_us", "5000"})));
}

TEST(V1Cpu, NumbersTheKernelWouldRefuseAreNamed) {
  Resources resources;
  resources.cpu_quota = 999;
  EXPECT_THAT(CpuWrites(resources, {}),
              StatusIs(kInvalid, HasSubstr("cpu_quota 999")));
  resources.cpu_quota = 1000;
  resources.cpu_period = 1000001;
  EXPECT_THAT(CpuWrites(resources, {}),
              StatusIs(kInvalid, HasSubstr("cpu_period 1000001")));
}

TEST(V1Cpuset, ListsAreCheckedAndWritten) {
  Resources resources;
  resources.cpuset_cpus = "0-1,3";
  resources.cpuset_mems = "0";
  EXPECT_THAT(CpusetWrites(resources),
              IsOkAndHolds(ElementsAre(FileWrite{"cpuset.cpus", "0-1,3"},
                                       FileWrite{"cpuset.mems", "0"})));
  resources.cpuset_cpus = "all";
  EXPECT_THAT(CpusetWrites(resources), StatusIs(kInvalid, HasSubstr("all")));
}

TEST(V1Pids, MinusOneIsMax) {
  Resources resources;
  resources.pids_limit = -1;
  EXPECT_THAT(PidsWrites(resources),
              IsOkAndHolds(ElementsAre(FileWrite{"pids.max", "max"})));
  resources.pids_limit = 7;
  EXPECT_THAT(PidsWrites(resources),
              IsOkAndHolds(ElementsAre(FileWrite{"pids.max", "7"})));
  resources.pids_limit = 0;
  EXPECT_THAT(PidsWrites(resources), StatusIs(kInvalid));
}

TEST(V1Hugetlb, PageSizeIsPartOfTheFileNameSoItIsChecked) {
  Resources resources;
  resources.hugepage_limits = {{"2MB", 4096}};
  EXPECT_THAT(
      HugetlbWrites(resources),
      IsOkAndHolds(ElementsAre(FileWrite{"hugetlb.2MB.limit_in_bytes", "4096"},
                               FileWrite{"hugetlb.2MB.rsvd.limit_in_bytes",
                                         "4096", IfMissing::kSkip})));
  for (const char* bad : {"", "MB", "2", "2mb", "../2MB", "2MB/x"}) {
    resources.hugepage_limits = {{bad, 1}};
    EXPECT_THAT(HugetlbWrites(resources), StatusIs(kInvalid)) << bad;
  }
}

TEST(V1Blkio, WeightGoesToWhicheverFileThereIs) {
  Resources resources;
  resources.block_io.weight = 500;
  EXPECT_THAT(BlkioWrites(resources),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"blkio.weight", "500", IfMissing::kNext},
                  FileWrite{"blkio.bfq.weight", "500"})));
  resources.block_io.weight = 9;
  EXPECT_THAT(BlkioWrites(resources), StatusIs(kInvalid));
}

TEST(V1Blkio, EachRateIsALineThatCanBeReset) {
  Resources resources;
  resources.block_io.write_iops = {{8, 16, 100}};
  EXPECT_THAT(BlkioWrites(resources),
              IsOkAndHolds(ElementsAre(
                  FileWrite{"blkio.throttle.write_iops_device", "8:16 100",
                            IfMissing::kFail, "8:16 0"})));
}

TEST(V1Net, ClassAndPriorities) {
  Resources resources;
  resources.net_cls_classid = 0x100001;
  resources.net_prio = {{"eth0", 5}};
  EXPECT_THAT(NetClsWrites(resources),
              ElementsAre(FileWrite{"net_cls.classid", "1048577"}));
  EXPECT_THAT(NetPrioWrites(resources),
              IsOkAndHolds(ElementsAre(FileWrite{"net_prio.ifpriomap", "eth0 5",
                                                 IfMissing::kFail, "eth0 0"})));
  resources.net_prio = {{"eth0 7\nlo", 5}};
  EXPECT_THAT(NetPrioWrites(resources), StatusIs(kInvalid));
}

}  // namespace
}  // namespace gantry::cgroup::v1
