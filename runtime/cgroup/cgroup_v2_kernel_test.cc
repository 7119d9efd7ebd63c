// What the kernel enforces on cgroup v2. Where a controller is not on a cgroup2
// mount its test is skipped: tools/vm-test cgroup runs them all.

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/testing/v2_kernel_test.h"
#include "runtime/cgroup/wait.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::IsOkAndHolds;
using testing::Child;
using ::testing::HasSubstr;
using testing::kMiB;
using ::testing::Not;
using testing::SleepForever;
using testing::Unified;
using testing::V2KernelTest;

// Makes so many MiB of clean pages of a file that has no name; false on errors.
// In /var/tmp, for that is on a disk: a tmpfs's pages cannot be dropped.
bool FillPageCache(int mib) {
  std::string name = "/var/tmp/gantry-test.XXXXXX";
  // Its descriptor is the process's, to the end: so are the pages.
  const int file = mkstemp(name.data());
  if (file < 0 || unlink(name.c_str()) != 0) return false;
  const std::string text(kMiB, 'x');
  for (int i = 0; i < mib; ++i) {
    if (write(file, text.data(), text.size()) != kMiB) return false;
    // What is dirty can't be taken back at once.
    if (i % 8 == 7 && fsync(file) != 0) return false;
  }
  return fsync(file) == 0;
}

// Touches so much of its own memory and keeps it; false if there is none.
bool Hold(int64_t bytes) {
  char* memory = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED) return false;
  for (int64_t i = 0; i < bytes; i += 4096) memory[i] = 1;
  return true;
}

TEST_F(V2KernelTest, MemoryHighHoldsBackAndKillsNobody) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const Manager cgroup = Created("c");
  ASSERT_OK(cgroup.Apply(Unified("memory.high", std::to_string(8 * kMiB))));
  Child child([] { return Hold(64 * kMiB) ? SleepForever() : 1; });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  EXPECT_TRUE(Soon([&] {
    return ReadIn(cgroup, "memory.events").find("high 0\n") ==
           std::string::npos;
  })) << ReadIn(cgroup, "memory.events");
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(0));
  EXPECT_EQ(kill(child.pid(), 0), 0);
}

TEST_F(V2KernelTest, SwapIsHadUpToItsLimitAndThenTheOomKillerComes) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const std::string swaps =
      sys::ReadFileAt(AT_FDCWD, "/proc/swaps").value_or("");
  if (swaps.find("/dev/") == std::string::npos) {
    GTEST_SKIP() << "this machine has no swap";
  }
  const Manager cgroup = Created("c");
  Resources resources;
  resources.memory_limit = 16 * kMiB;
  resources.memory_swap = 40 * kMiB;
  ASSERT_OK(cgroup.Apply(resources));
  Child within([] { return Hold(30 * kMiB) ? 0 : 1; });
  ASSERT_OK(cgroup.AddProcess(within.pid()));
  within.Go();
  EXPECT_EQ(within.Wait(), 0);
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(0));
  Child beyond([] { return Hold(80 * kMiB) ? 0 : 1; });
  ASSERT_OK(cgroup.AddProcess(beyond.pid()));
  beyond.Go();
  const int status = beyond.Wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(1));
}

TEST_F(V2KernelTest, OomGroupTakesTheWholeCgroup) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const Manager cgroup = Created("c");
  Resources resources = Unified("memory.oom.group", "1");
  resources.memory_limit = 16 * kMiB;
  resources.memory_swap = 16 * kMiB;
  ASSERT_OK(cgroup.Apply(resources));
  Child bystander(SleepForever);
  Child eater([] { return Hold(64 * kMiB) ? 0 : 1; });
  ASSERT_OK(cgroup.AddProcess(bystander.pid()));
  ASSERT_OK(cgroup.AddProcess(eater.pid()));
  bystander.Go();
  eater.Go();
  EXPECT_TRUE(WIFSIGNALED(eater.Wait()));
  EXPECT_TRUE(WIFSIGNALED(bystander.Wait()));
  // Some kernels count the one that ran into the limit twice.
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(::testing::Ge(2)));
}

TEST_F(V2KernelTest, LimitBelowWhatIsInUseIsRefusedAndKillsNobody) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const Manager cgroup = Created("c");
  Resources resources;
  resources.memory_limit = 64 * kMiB;
  resources.memory_swap = 64 * kMiB;  // none: nothing can be reclaimed
  ASSERT_OK(cgroup.Apply(resources));
  Child child([] { return Hold(32 * kMiB) ? SleepForever() : 1; });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  ASSERT_TRUE(Soon([&] { return Usage(cgroup) >= 32 * kMiB; }));
  resources.memory_limit = 8 * kMiB;
  resources.memory_swap = 8 * kMiB;
  EXPECT_THAT(cgroup.Update(resources).message(), HasSubstr("in use"));
  EXPECT_EQ(ReadIn(cgroup, "memory.max"), std::to_string(64 * kMiB) + "\n");
  EXPECT_EQ(ReadIn(cgroup, "memory.high"), "max\n");
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(0));
  EXPECT_EQ(waitpid(child.pid(), nullptr, WNOHANG), 0) << "it was killed";
  resources.memory_limit = 48 * kMiB;
  resources.memory_swap = 48 * kMiB;
  EXPECT_OK(cgroup.Update(resources));
}

TEST_F(V2KernelTest, WhatCanBeReclaimedIsNotInTheWayOfALimit) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const Manager cgroup = Created("c");
  Child child([] { return FillPageCache(32) ? SleepForever() : 1; });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  ASSERT_TRUE(Soon([&] { return Usage(cgroup) >= 32 * kMiB; }));
  Resources resources;
  resources.memory_limit = 8 * kMiB;
  EXPECT_OK(cgroup.Update(resources));
  EXPECT_LE(Usage(cgroup), 8 * kMiB);
  EXPECT_EQ(ReadIn(cgroup, "memory.high"), "max\n");
}

// Both protect from what the pod's limit makes the kernel take back.
TEST_F(V2KernelTest, MemoryMinAndLowKeepWhatANeighbourWouldTake) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const auto left_of_24_mib = [this](const std::string& protection) {
    const Manager pod = Created("pod");
    Resources limit;
    limit.memory_limit = 40 * kMiB;
    EXPECT_OK(pod.Apply(limit));
    const Manager kept = Created("pod/kept"), hungry = Created("pod/hungry");
    if (!protection.empty()) {
      EXPECT_OK(kept.Apply(Unified(protection, std::to_string(24 * kMiB))));
    }
    Child quiet([] { return FillPageCache(24) ? SleepForever() : 1; });
    EXPECT_OK(kept.AddProcess(quiet.pid()));
    quiet.Go();
    EXPECT_TRUE(Soon([&] { return Usage(kept) >= 24 * kMiB; }));
    Child taker([] { return FillPageCache(64) ? 0 : 1; });
    EXPECT_OK(hungry.AddProcess(taker.pid()));
    taker.Go();
    EXPECT_EQ(taker.Wait(), 0);
    const uint64_t left = Usage(kept);
    EXPECT_OK(pod.Kill());
    quiet.Wait();
    EXPECT_OK(pod.Remove(testing::kPatience));
    return left;
  };
  EXPECT_LT(left_of_24_mib(""), 18 * kMiB) << "without protection";
  EXPECT_GE(left_of_24_mib("memory.min"), 23 * kMiB);
  EXPECT_GE(left_of_24_mib("memory.low"), 23 * kMiB);
}

TEST_F(V2KernelTest, WeightsShareABusyCpu) {
  if (!Has("cpu") || !Has("cpuset")) {
    GTEST_SKIP() << "cpu or cpuset is not on cgroup2 here";
  }
  const Manager light = Created("pod/light");
  const Manager heavy = Created("pod/heavy");
  const auto spin = []() -> int {
    for (;;) asm volatile("");
  };
  Resources resources;
  resources.cpuset_cpus = "0";
  resources.cpu_shares = 1024;  // a weight of 100
  ASSERT_OK(light.Apply(resources));
  resources.unified = {{"cpu.weight", "400"}};
  ASSERT_OK(heavy.Apply(resources));
  Child one(spin), two(spin);
  ASSERT_OK(light.AddProcess(one.pid()));
  ASSERT_OK(heavy.AddProcess(two.pid()));
  one.Go();
  two.Go();
  const auto used = [](const Manager& cgroup) {
    return static_cast<double>(
        cgroup.ReadStats().value().cpu.usage_ns.value_or(0));
  };
  Sleep(std::chrono::milliseconds(500));
  const double light_before = used(light), heavy_before = used(heavy);
  Sleep(std::chrono::milliseconds(3000));
  const double ratio =
      (used(heavy) - heavy_before) / (used(light) - light_before);
  EXPECT_GT(ratio, 2.5);
  EXPECT_LT(ratio, 6.0);
}

TEST_F(V2KernelTest, CpusetIsWhereAProcessRuns) {
  if (!Has("cpuset")) GTEST_SKIP() << "cpuset is not on cgroup2 here";
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "there is one CPU";
  const Manager cgroup = Created("pod/c");
  Resources resources;
  resources.cpuset_cpus = "1";
  ASSERT_OK(cgroup.Apply(resources));
  Child child([] { return sched_getcpu() == 1 ? 0 : 1; });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(V2KernelTest, HugePagesBeyondTheLimitAreNotHad) {
  if (!Has("hugetlb")) GTEST_SKIP() << "hugetlb is not on cgroup2 here";
  const std::string free =
      sys::ReadFileAt(
          AT_FDCWD, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
          .value_or("0");
  if (std::atoi(free.c_str()) < 2) GTEST_SKIP() << "no two free huge pages";
  const Manager cgroup = Created("c");
  Resources resources;
  resources.hugepage_limits = {{"2MB", 2 << 20}};
  ASSERT_OK(cgroup.Apply(resources));
  const auto touch = [](int pages) {
    char* memory = static_cast<char*>(
        mmap(nullptr, pages * (2 << 20), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
    if (memory == MAP_FAILED) return 1;
    for (int i = 0; i < pages; ++i) memory[i * (2 << 20)] = 1;
    return 0;
  };
  Child one([touch] { return touch(1); });
  ASSERT_OK(cgroup.AddProcess(one.pid()));
  one.Go();
  EXPECT_EQ(one.Wait(), 0);
  // Reserved by mmap, charged by the touch: SIGBUS, or no memory at once.
  Child two([touch] { return touch(2); });
  ASSERT_OK(cgroup.AddProcess(two.pid()));
  two.Go();
  EXPECT_NE(two.Wait(), 0);
}

// "No internal processes": a cgroup that hands controllers down takes none.
TEST_F(V2KernelTest, PodsCgroupsHandDownAndContainersDoNot) {
  if (!Has("memory")) GTEST_SKIP() << "memory is not on cgroup2 here";
  const Manager container = Created("pod/c");
  Child child(SleepForever);
  EXPECT_THAT(Make("pod").AddProcess(child.pid()), Not(IsOk()));
  EXPECT_OK(container.AddProcess(child.pid()));
  EXPECT_EQ(ReadIn(container, "cgroup.subtree_control"), "");
  EXPECT_THAT(ReadIn(Make("pod"), "cgroup.subtree_control"),
              HasSubstr("memory"));
  // An exec's cgroup has no controllers and so may stand below.
  ASSERT_OK_AND_ASSIGN(const Subgroup exec, container.MakeSubgroup("exec-1"));
  EXPECT_OK(container.AddProcess(child.pid()));
}

}  // namespace
}  // namespace gantry::cgroup
