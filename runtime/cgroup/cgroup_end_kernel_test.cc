// The end of cgroups on the real kernel: freezing, killing, removal.

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/testing/kernel_test.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using testing::Child;
using ::testing::IsEmpty;
using testing::KernelTest;
using testing::kPatience;
using testing::SleepForever;

TEST_F(KernelTest, FrozenProcessStandsUntilThawed) {
  const Manager cgroup = Created("c");
  auto* count = static_cast<volatile uint64_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
           -1, 0));
  Child child([count] {
    for (;;) *count = *count + 1;
    return 0;
  });
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  child.Go();
  while (*count == 0) sched_yield();
  ASSERT_OK(cgroup.Freeze());
  const uint64_t frozen_at = *count;
  usleep(50000);
  EXPECT_EQ(*count, frozen_at);
  ASSERT_OK(cgroup.Thaw());
  for (int i = 0; i < 1000 && *count == frozen_at; ++i) usleep(1000);
  EXPECT_GT(*count, frozen_at);
  ASSERT_OK(cgroup.Freeze());
  EXPECT_OK(cgroup.Kill()) << "also a frozen one";
  EXPECT_TRUE(WIFSIGNALED(child.Wait()));
  munmap(const_cast<uint64_t*>(count), 4096);
}

// The processes of a cgroup whose parent doesn't reap them become zombies of
// init; they leave the cgroup at their death.
void ExpectEmptySoon(const Manager& cgroup) {
  for (int i = 0; i < 3000; ++i) {
    if (cgroup.Processes(true)->empty()) return;
    usleep(1000);
  }
  ADD_FAILURE() << cgroup.path() << " still has processes";
}

TEST_F(KernelTest, KillReaches200ChildrenInNestedCgroups) {
  const Manager outer = Created("c");
  // Side by side: cgroup2 takes no process beside a cgroup with controllers.
  const Manager left = Created("c/left");
  const Manager right = Created("c/right");
  const auto breed = [] {
    for (int i = 0; i < 100; ++i) {
      if (fork() == 0) SleepForever();
    }
    return SleepForever();
  };
  Child a(breed);
  Child b(breed);
  ASSERT_OK(left.AddProcess(a.pid()));
  ASSERT_OK(right.AddProcess(b.pid()));
  a.Go();
  b.Go();
  for (int i = 0; i < 3000 && outer.Processes(true)->size() < 202; ++i) {
    usleep(1000);
  }
  ASSERT_EQ(outer.Processes(true)->size(), 202);
  ASSERT_OK(outer.Kill());
  EXPECT_TRUE(WIFSIGNALED(a.Wait()));
  EXPECT_TRUE(WIFSIGNALED(b.Wait()));
  ExpectEmptySoon(outer);
  EXPECT_OK(outer.Remove(kPatience));
  EXPECT_THAT(outer.Children(), IsOkAndHolds(IsEmpty()));
}

// A bomb that renews itself as long as it lives, at most 64 at a time.
int Bomb() {
  for (;;) {
    if (fork() < 0) usleep(10);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (getpid() % 2 == 0) _exit(0);
  }
}

TEST_F(KernelTest, KillEndsAForkBombWithAndWithoutCgroupKill) {
  for (const bool unified : {true, false}) {
    Layout layout = hierarchies_->layout();
    if (!unified) {
      std::erase_if(layout.hierarchies, [](const Hierarchy& h) {
        return h.version == Version::kV2;
      });
      if (layout.hierarchies.empty()) continue;
    }
    ASSERT_OK_AND_ASSIGN(const Hierarchies some, Hierarchies::Open(layout));
    const Manager cgroup = Manager::For(some, top_ + "/bomb").value();
    ASSERT_OK(cgroup.Create());
    Resources resources;
    resources.pids_limit = 64;
    ASSERT_OK(cgroup.Apply(resources));
    Child child([] { return Bomb(); });
    ASSERT_OK(cgroup.AddProcess(child.pid()));
    child.Go();
    for (int i = 0; i < 1000 && cgroup.Processes(true)->size() < 30; ++i) {
      usleep(1000);
    }
    ASSERT_OK(cgroup.Kill());
    ExpectEmptySoon(cgroup);
    child.Wait();
    EXPECT_OK(cgroup.Remove(kPatience));
  }
}

TEST_F(KernelTest, RemoveOfABusyCgroupNamesTheProcess) {
  const Manager cgroup = Created("c");
  Child child(SleepForever);
  ASSERT_OK(cgroup.AddProcess(child.pid()));
  EXPECT_THAT(cgroup.Remove(std::chrono::milliseconds(30)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       ::testing::HasSubstr(std::to_string(child.pid()))));
}

TEST_F(KernelTest, VerbsOnAMissingCgroup) {
  const Manager cgroup = Make("never/made");
  EXPECT_OK(cgroup.Kill());
  EXPECT_OK(cgroup.Remove(kPatience));
  EXPECT_THAT(cgroup.ReadStats(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(cgroup.OomKills(), StatusIs(absl::StatusCode::kNotFound));
  Resources resources;
  resources.pids_limit = 5;
  EXPECT_THAT(cgroup.Update(resources), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(cgroup.Processes(true), IsOkAndHolds(IsEmpty()));
}

}  // namespace
}  // namespace gantry::cgroup
