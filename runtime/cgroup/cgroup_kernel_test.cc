// What only the kernel can show of cgroups: membership and limits that bite.

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/default_devices.h"
#include "runtime/cgroup/self_placement.h"
#include "runtime/cgroup/testing/kernel_test.h"
#include "runtime/cgroup/v2/device_attach.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using testing::Child;
using ::testing::IsEmpty;
using testing::KernelTest;
using testing::kPatience;
using ::testing::Not;
using testing::SleepForever;

// As /proc/PID/cgroup (cgroups(7)) has a process in `cgroup`.
std::string LineOf(const Hierarchy& hierarchy, const Manager& cgroup) {
  std::string names;
  if (hierarchy.version == Version::kV1) {
    for (const std::string& name : hierarchy.controllers) {
      names += (names.empty() ? "" : ",") + name;
    }
  }
  return ":" + names + ":/" + cgroup.path() + "\n";
}

TEST_F(KernelTest, ProcessStandsInTheCgroupOfEveryHierarchy) {
  const Manager cgroup = Created("pod/c");
  Child child(SleepForever);
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  const std::string file = "/proc/" + std::to_string(child.pid()) + "/cgroup";
  ASSERT_OK_AND_ASSIGN(const std::string text, sys::ReadFileAt(AT_FDCWD, file));
  for (const Hierarchy& hierarchy : hierarchies_->layout().hierarchies) {
    EXPECT_THAT(text, ::testing::HasSubstr(LineOf(hierarchy, cgroup)));
  }
  EXPECT_THAT(cgroup.Processes(false),
              IsOkAndHolds(::testing::ElementsAre(child.pid())));
  EXPECT_THAT(Make("pod").Children(),
              IsOkAndHolds(::testing::ElementsAre("c")));
}

TEST_F(KernelTest, AChildMovesItselfInEveryHierarchyOfV1) {
  const Manager cgroup = Created("pod/c");
  ASSERT_OK_AND_ASSIGN(const SelfPlacement placement, cgroup.PrepareSelf());
  // Exits with the number of hierarchies that it is found in.
  Child child([&] {
    if (!placement.Join().ok()) return 100;
    const std::string text =
        sys::ReadFileAt(AT_FDCWD, "/proc/self/cgroup").value_or("");
    int found = 0;
    for (const Hierarchy& hierarchy : hierarchies_->layout().hierarchies) {
      found += absl::StrContains(text, LineOf(hierarchy, cgroup)) ? 1 : 0;
    }
    return found;
  });
  child.Go();
  const int status = child.Wait();
  ASSERT_TRUE(WIFEXITED(status));
  const int all = static_cast<int>(hierarchies_->size());
  EXPECT_EQ(WEXITSTATUS(status),
            hierarchies_->unified().has_value() ? all - 1 : all);
}

TEST_F(KernelTest, CloneTargetPlacesTheChildInCgroup2) {
  const Manager cgroup = Created("c");
  ASSERT_OK_AND_ASSIGN(const UniqueFd target, cgroup.CloneTarget());
  if (!target.valid()) GTEST_SKIP() << "no cgroup2 mount";
  Child child(SleepForever, target.get());
  EXPECT_THAT(cgroup.Processes(false),
              IsOkAndHolds(::testing::ElementsAre(child.pid())));
  ASSERT_OK(cgroup.AddProcess(child.pid(), /*in_unified=*/true));
}

TEST_F(KernelTest, PidsLimitStopsAForkBomb) {
  const Manager cgroup = Created("c");
  Resources resources;
  resources.pids_limit = 5;
  ASSERT_OK(cgroup.Apply(resources));
  // Exits with the number of children it could fork.
  Child child([] {
    int forked = 0;
    for (; forked < 50; ++forked) {
      const pid_t pid = fork();
      if (pid == 0) SleepForever();
      if (pid < 0) break;
    }
    return errno == EAGAIN ? forked : 100;
  });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  const int status = child.Wait();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 4);
  ASSERT_OK_AND_ASSIGN(const Stats stats, cgroup.ReadStats());
  EXPECT_EQ(stats.pids.current, 4);
  EXPECT_EQ(stats.pids.limit, 5);
}

TEST_F(KernelTest, MemoryLimitKillsAndIsCounted) {
  const Manager cgroup = Created("c");
  Resources resources;
  resources.memory_limit = 16 << 20;
  resources.memory_swap = 16 << 20;
  ASSERT_OK(cgroup.Apply(resources));
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(0));
  Child child([] {
    constexpr size_t kSize = 64 << 20;
    char* memory =
        static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < kSize; i += 4096) memory[i] = 1;
    return 0;
  });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  const int status = child.Wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_THAT(cgroup.OomKills(), IsOkAndHolds(1));
  ASSERT_OK_AND_ASSIGN(const Stats stats, cgroup.ReadStats());
  EXPECT_EQ(stats.memory.limit_bytes, 16 << 20);
  EXPECT_GT(stats.memory.page_faults.value_or(0), 0);
  EXPECT_GT(stats.cpu.usage_ns.value_or(0), 0);
}

TEST_F(KernelTest, UpdateMovesMemoryAndSwapBothWays) {
  const Manager cgroup = Created("c");
  Resources resources;
  resources.memory_limit = 32 << 20;
  resources.memory_swap = 32 << 20;
  resources.cpu_quota = 50000;
  resources.cpu_period = 100000;
  ASSERT_OK(cgroup.Apply(resources));
  const std::vector<std::pair<int64_t, std::optional<int64_t>>> steps = {
      {64 << 20, 64 << 20},       // up: the swap limit has to go first
      {16 << 20, 48 << 20},       // down
      {128 << 20, std::nullopt},  // up alone, the allowance goes along
      {-1, std::nullopt},
      {8 << 20, 8 << 20}};
  for (const auto& [memory, swap] : steps) {
    Resources change;
    change.memory_limit = memory;
    change.memory_swap = swap;
    change.cpu_quota = 20000;
    change.cpu_period = 40000;
    EXPECT_OK(cgroup.Update(change)) << memory;
    ASSERT_OK_AND_ASSIGN(const Stats stats, cgroup.ReadStats());
    if (memory == -1) {
      EXPECT_EQ(stats.memory.limit_bytes, std::nullopt);
    } else {
      EXPECT_EQ(stats.memory.limit_bytes, memory);
    }
  }
}

TEST_F(KernelTest, FailedUpdateChangesNothing) {
  const Manager cgroup = Created("c");
  Resources resources;
  resources.memory_limit = 32 << 20;
  resources.pids_limit = 9;
  ASSERT_OK(cgroup.Apply(resources));
  Resources change;
  change.memory_limit = 64 << 20;
  change.cpuset_cpus = "4095";  // the kernel refuses what isn't there
  EXPECT_THAT(cgroup.Update(change), Not(gantry::testing::IsOk()));
  ASSERT_OK_AND_ASSIGN(const Stats stats, cgroup.ReadStats());
  EXPECT_EQ(stats.memory.limit_bytes, 32 << 20);
}

TEST_F(KernelTest, CpusetAndHugepagesAreTaken) {
  const Manager cgroup = Created("pod/c");
  Resources resources;
  resources.cpuset_cpus = "0";
  resources.cpuset_mems = "0";
  if (hierarchies_->Find("hugetlb").has_value() &&
      !hierarchies_->layout().huge_page_sizes.empty()) {
    resources.hugepage_limits = {
        {hierarchies_->layout().huge_page_sizes[0], 0}};
  }
  ASSERT_OK(cgroup.Apply(resources));
  ASSERT_OK_AND_ASSIGN(const Stats stats, cgroup.ReadStats());
  for (const HugepageStats& page : stats.hugepages) {
    EXPECT_EQ(page.usage_bytes, 0);
  }
  if (!resources.hugepage_limits.empty()) {
    ASSERT_THAT(stats.hugepages, Not(IsEmpty()));
    EXPECT_EQ(stats.hugepages[0].limit_bytes, 0);
  }
}

// Exit codes of a child: 1: null opens, 2: full opens, 4: the disk opens.
int OpenDevices() {
  int result = 0;
  const char* names[] = {"/dev/null", "/dev/full", "/dev/vda"};
  for (int i = 0; i < 3; ++i) {
    const int fd = open(names[i], O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || (errno != EPERM && errno != ENOENT)) result |= 1 << i;
  }
  return result;
}

TEST_F(KernelTest, DevicesAreDeniedByDefaultAndChangeByTheRules) {
  const Manager cgroup = Created("c");
  ASSERT_OK(cgroup.SetDevices(DefaultDeviceRules()));
  const auto ask = [&] {
    Child child(OpenDevices);
    EXPECT_OK(cgroup.AddProcess(child.pid()));
    child.Go();
    return WEXITSTATUS(child.Wait());
  };
  EXPECT_EQ(ask(), 1 | 2);
  const std::vector<DeviceRule> null_only = {{true, 'c', 1, 3, "rwm"}};
  ASSERT_OK(cgroup.SetDevices(null_only));
  EXPECT_EQ(ask(), 1);
  ASSERT_OK(cgroup.SetDevices(DefaultDeviceRules()));
  EXPECT_EQ(ask(), 1 | 2);
}

TEST_F(KernelTest, BpfProgramEnforcesTheSameRulesOnCgroup2) {
  const Manager cgroup = Created("c");
  const auto unified = hierarchies_->unified();
  if (!unified.has_value()) GTEST_SKIP() << "no cgroup2 mount";
  ASSERT_OK_AND_ASSIGN(const UniqueFd directory,
                       sys::OpenAt(hierarchies_->fd(*unified), cgroup.path(),
                                   O_RDONLY | O_DIRECTORY));
  const auto ask = [&] {
    Child child(OpenDevices);
    EXPECT_OK(cgroup.AddProcess(child.pid()));
    child.Go();
    return WEXITSTATUS(child.Wait());
  };
  const auto set = [&](std::vector<DeviceRule> rules) {
    return v2::AttachDevicePolicy(directory.get(),
                                  MakeDevicePolicy(rules).value());
  };
  const int all = ask();
  const absl::Status first = set(DefaultDeviceRules());
  if (ErrnoOf(first) == ENOSYS || ErrnoOf(first) == EINVAL ||
      ErrnoOf(first) == EPERM) {
    GTEST_SKIP() << "no BPF here: " << first;
  }
  ASSERT_OK(first);
  EXPECT_EQ(ask(), 1 | 2);
  ASSERT_OK(set({{true, 'c', 1, 3, "r"}}));
  EXPECT_EQ(ask(), 1);
  ASSERT_OK(set({{true, 'a'}, {false, 'c', 1, 3, "r"}}));
  EXPECT_EQ(ask(), all & ~1);
  ASSERT_OK(set(AllDeviceRules()));
  EXPECT_EQ(ask(), all);
}

double Microseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now() - start)
      .count();
}

TEST_F(KernelTest, PrintsWhatTheVerbsCost) {
  constexpr int kRounds = 40;
  ASSERT_OK(Created("pod").Create());
  std::map<std::string, std::vector<double>> cost;
  for (int i = 0; i < kRounds; ++i) {
    const Manager cgroup = Make("pod/c" + std::to_string(i));
    Resources resources;
    resources.memory_limit = 64 << 20;
    resources.memory_swap = 64 << 20;
    resources.cpu_shares = 512;
    resources.cpu_quota = 50000;
    resources.cpu_period = 100000;
    resources.pids_limit = 100;
    cost["1 create"].push_back(
        Microseconds([&] { ASSERT_OK(cgroup.Create()); }));
    cost["2 apply"].push_back(
        Microseconds([&] { ASSERT_OK(cgroup.Apply(resources)); }));
    cost["3 devices"].push_back(Microseconds(
        [&] { ASSERT_OK(cgroup.SetDevices(DefaultDeviceRules())); }));
    const auto target = cgroup.CloneTarget();
    ASSERT_OK(target);
    Child child(SleepForever, target->get());
    cost["4 place"].push_back(Microseconds(
        [&] { ASSERT_OK(cgroup.AddProcess(child.pid(), target->valid())); }));
    cost["5 stats"].push_back(
        Microseconds([&] { ASSERT_OK(cgroup.ReadStats()); }));
    cost["6 kill"].push_back(Microseconds([&] { ASSERT_OK(cgroup.Kill()); }));
    child.Wait();
    cost["7 kill when empty"].push_back(
        Microseconds([&] { ASSERT_OK(cgroup.Kill()); }));
    cost["8 remove"].push_back(
        Microseconds([&] { ASSERT_OK(cgroup.Remove(kPatience)); }));
  }
  for (auto& [name, values] : cost) {
    std::sort(values.begin(), values.end());
    printf("%-18s median %6.0f us, worst %6.0f us\n", name.c_str() + 2,
           values[values.size() / 2], values.back());
  }
}

}  // namespace
}  // namespace gantry::cgroup
