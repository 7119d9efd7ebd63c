#include "runtime/cgroup/systemd/properties.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cgroup::systemd {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kMi = 1 << 20;

Property U64(std::string name, uint64_t value) {
  return {std::move(name), value};
}

TEST(PropertiesTest, ASliceHasTheVeryLimits) {
  Resources r;
  r.memory_limit = 64 * kMi;
  r.memory_swap = 96 * kMi;
  r.memory_reservation = 16 * kMi;
  r.cpu_shares = 1024;
  r.cpu_quota = 50'000;
  r.cpu_period = 100'000;
  r.cpuset_cpus = "0-1,9";
  r.cpuset_mems = "0";
  r.pids_limit = 100;
  EXPECT_THAT(LimitProperties(r, Holder::kSlice),
              IsOkAndHolds(UnorderedElementsAre(
                  U64("MemoryMax", 64 * kMi), U64("MemorySwapMax", 32 * kMi),
                  U64("MemoryLow", 16 * kMi), U64("CPUWeight", 100),
                  U64("CPUQuotaPerSecUSec", 500'000),
                  U64("CPUQuotaPeriodUSec", 100'000),
                  Property{"AllowedCPUs", std::vector<uint8_t>{0b11, 0b10}},
                  Property{"AllowedMemoryNodes", std::vector<uint8_t>{1}},
                  U64("TasksMax", 100))));
}

TEST(PropertiesTest, AScopeHasRoomForTheShim) {
  Resources r;
  r.memory_limit = 64 * kMi;
  r.memory_reservation = 16 * kMi;
  r.cpu_shares = 1024;
  r.cpu_quota = 50'000;
  r.pids_limit = 100;
  EXPECT_THAT(
      LimitProperties(r, Holder::kScope),
      IsOkAndHolds(UnorderedElementsAre(
          U64("MemoryMax", 64 * kMi + kShimMemory), U64("MemoryLow", 16 * kMi),
          U64("CPUWeight", 100), U64("CPUQuotaPerSecUSec", 500'000 + kShimCpu),
          U64("CPUQuotaPeriodUSec", 100'000),
          U64("TasksMax", 100 + kShimTasks))));
}

TEST(PropertiesTest, NoLimitIsInfinity) {
  Resources r;
  r.memory_limit = -1;
  r.cpu_quota = -1;
  r.pids_limit = -1;
  for (Holder holder : {Holder::kSlice, Holder::kScope}) {
    EXPECT_THAT(
        LimitProperties(r, holder),
        IsOkAndHolds(UnorderedElementsAre(
            U64("MemoryMax", kInfinity), U64("MemorySwapMax", kInfinity),
            U64("CPUQuotaPerSecUSec", kInfinity),
            U64("CPUQuotaPeriodUSec", 100'000), U64("TasksMax", kInfinity))));
  }
}

// What systemd keeps, it keeps in whole percents: less than the kernel's limit
// would be another one after daemon-reload.
TEST(PropertiesTest, AQuotaIsRoundedUpToAPercent) {
  Resources r;
  r.cpu_quota = 10'001;
  r.cpu_period = 30'000;
  EXPECT_THAT(
      LimitProperties(r, Holder::kSlice),
      IsOkAndHolds(UnorderedElementsAre(U64("CPUQuotaPerSecUSec", 340'000),
                                        U64("CPUQuotaPeriodUSec", 30'000))));
}

TEST(PropertiesTest, FilesOfCgroupV2AreTakenAndOverrule) {
  Resources r;
  r.memory_limit = 64 * kMi;
  r.unified = {{"memory.max", "1G"},
               {"memory.high", "512M"},
               {"memory.min", "max"},
               {"memory.oom.group", "1"},
               {"cpu.max", "max 50000"},
               {"io.weight", "default 200"},
               {"io.max", "8:0 rbps=1048576 wiops=max\n8:16 wbps=2097152"}};
  EXPECT_THAT(
      LimitProperties(r, Holder::kSlice),
      IsOkAndHolds(UnorderedElementsAre(
          U64("MemoryMax", 1024 * kMi), U64("MemoryHigh", 512 * kMi),
          U64("MemoryMin", kInfinity), U64("CPUQuotaPerSecUSec", kInfinity),
          U64("CPUQuotaPeriodUSec", 50'000), U64("IOWeight", 200),
          Property{"IOReadBandwidthMax", DeviceValues{{"/dev/block/8:0", kMi}}},
          Property{"IOWriteIOPSMax",
                   DeviceValues{{"/dev/block/8:0", kInfinity}}},
          Property{"IOWriteBandwidthMax",
                   DeviceValues{{"/dev/block/8:16", 2 * kMi}}})));
}

TEST(PropertiesTest, RatesOfAScopeHaveRoomForTheShimsLog) {
  Resources r;
  r.block_io.write_bps = {{8, 0, kMi}};
  r.block_io.read_iops = {{8, 0, 10}};
  EXPECT_THAT(
      LimitProperties(r, Holder::kScope),
      IsOkAndHolds(UnorderedElementsAre(
          Property{"IOWriteBandwidthMax",
                   DeviceValues{{"/dev/block/8:0", 2 * kMi}}},
          Property{"IOReadIOPSMax", DeviceValues{{"/dev/block/8:0", 110}}})));
}

TEST(PropertiesTest, WhatIsNotUnderstoodIsLeftToTheFiles) {
  Resources r;
  r.unified = {{"memory.max", "much"},      {"cpu.max", "1 2 3"},
               {"cpu.max", "max 0"},        {"cpuset.cpus", "0-"},
               {"cpuset.cpus", "3-1"},      {"pids.max", "-"},
               {"cpu.weight", "0"},         {"io.weight", "8:0 many"},
               {"cpuset.cpus", "99999999"}, {"memory.max", "17179869184G"},
               {"hugetlb.2MB.max", "0"}};
  EXPECT_THAT(LimitProperties(r, Holder::kSlice), IsOkAndHolds(IsEmpty()));
}

TEST(PropertiesTest, ValuesThatCannotBeMeantAreErrors) {
  Resources r;
  r.memory_limit = 64 * kMi;
  r.memory_swap = 32 * kMi;
  EXPECT_THAT(LimitProperties(r, Holder::kSlice),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Resources control;
  control.unified = {{"cgroup.procs", "1"}};
  EXPECT_THAT(LimitProperties(control, Holder::kScope),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PropertiesTest, AChangeIsTakenBackToWhatWasOrToNothing) {
  const Properties before = {U64("MemoryMax", 1), U64("CPUWeight", 7)};
  const Properties after = {
      U64("MemoryMax", 2),
      U64("MemoryLow", 3),
      U64("TasksMax", 4),
      {"AllowedCPUs", std::vector<uint8_t>{1}},
      {"IOReadIOPSMax", DeviceValues{{"/dev/block/8:0", 5}}}};
  EXPECT_THAT(
      TakingBack(before, after, {}),
      UnorderedElementsAre(U64("MemoryMax", 1), U64("CPUWeight", 7),
                           U64("MemoryLow", 0), U64("TasksMax", kInfinity),
                           Property{"AllowedCPUs", std::vector<uint8_t>()},
                           Property{"IOReadIOPSMax", DeviceValues()}));
}

TEST(PropertiesTest, ASetThatWasNoneIsTakenBackToWhatWasInEffect) {
  const Property one{"AllowedCPUs", std::vector<uint8_t>{1}};
  const Property all{"AllowedCPUs", std::vector<uint8_t>{0b11}};
  const Property nodes{"AllowedMemoryNodes", std::vector<uint8_t>{1}};
  EXPECT_THAT(TakingBack({}, {one}, {all, nodes}), ElementsAre(all));
  // What was asked for is more than what there is.
  EXPECT_THAT(TakingBack({one}, {all}, {all}), ElementsAre(one));
}

}  // namespace
}  // namespace gantry::cgroup::systemd
