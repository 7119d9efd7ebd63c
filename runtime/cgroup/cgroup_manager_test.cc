#include "runtime/cgroup/cgroup_manager.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/default_devices.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeCgroupfs;
using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kSoon(20);
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

Manager For(const Hierarchies& hierarchies, const char* path) {
  return Manager::For(hierarchies, path).value();
}

TEST(ManagerCreate, MakesThePathInEveryHierarchy) {
  FakeCgroupfs fs;
  const std::vector<std::string> unified = {"hugetlb"};
  const Hierarchies hierarchies =
      fs.Open({"memory", "pids", "name=systemd"}, &unified);
  fs.Put("unified/cgroup.subtree_control", "");
  ASSERT_OK(For(hierarchies, "/gantry/p/c").Create());
  for (const char* root : {"memory", "pids", "name=systemd", "unified"}) {
    EXPECT_TRUE(fs.Has(std::string(root) + "/gantry/p/c")) << root;
  }
  EXPECT_EQ(fs.Get("unified/cgroup.subtree_control"), "+hugetlb");
  EXPECT_OK(For(hierarchies, "gantry/p/c").Create()) << "again";
}

TEST(ManagerCreate, EnablesControllersFromTheRootDown) {
  FakeCgroupfs fs({{"unified/cgroup.subtree_control", "memory\n"},
                   {"unified/g/cgroup.subtree_control", ""},
                   {"unified/g/p/cgroup.subtree_control", ""}});
  const std::vector<std::string> unified = {"memory", "pids"};
  const Hierarchies hierarchies = fs.Open({}, &unified);
  ASSERT_OK(For(hierarchies, "g/p/c").Create());
  for (const char* above : {"unified", "unified/g", "unified/g/p"}) {
    EXPECT_EQ(fs.Get(std::string(above) + "/cgroup.subtree_control"),
              "+memory +pids")
        << above;
  }
  // No process may be in a cgroup with controllers below it: not enabled there.
  EXPECT_FALSE(fs.Has("unified/g/p/c/cgroup.subtree_control"));
}

TEST(ManagerCreate, HandsDownCpusThroughEmptyParents) {
  FakeCgroupfs fs({{"cpuset/cpuset.cpus", "0-3\n"},
                   {"cpuset/cpuset.mems", "0\n"},
                   {"cpuset/g/cpuset.cpus", "\n"},
                   {"cpuset/g/cpuset.mems", "0-1\n"},
                   {"cpuset/g/c/cpuset.cpus", "\n"},
                   {"cpuset/g/c/cpuset.mems", "\n"}});
  const Hierarchies hierarchies = fs.Open({"cpuset"}, nullptr);
  ASSERT_OK(For(hierarchies, "g/c").Create());
  EXPECT_EQ(fs.Get("cpuset/g/cpuset.cpus"), "0-3");
  EXPECT_EQ(fs.Get("cpuset/g/c/cpuset.cpus"), "0-3");
  EXPECT_EQ(fs.Get("cpuset/g/c/cpuset.mems"), "0-1");
}

TEST(ManagerCreate, FailureLeavesNothingBehind) {
  FakeCgroupfs fs({{"pids/gantry", "a file where a directory should be"}});
  const Hierarchies hierarchies = fs.Open({"memory", "pids"}, nullptr);
  EXPECT_THAT(For(hierarchies, "gantry/p").Create().message(),
              HasSubstr("/pids"));
  EXPECT_FALSE(fs.Has("memory/gantry"));
}

TEST(ManagerCpusetInEffect, IsWhatTheKernelSays) {
  FakeCgroupfs fs({{"unified/g/c/cpuset.cpus", "\n"},
                   {"unified/g/c/cpuset.cpus.effective", "0-3\n"},
                   {"unified/g/c/cpuset.mems.effective", "\n"}});
  const std::vector<std::string> unified = {"cpuset"};
  const Hierarchies hierarchies = fs.Open({}, &unified);
  const Resources found = For(hierarchies, "g/c").CpusetInEffect();
  EXPECT_EQ(found.cpuset_cpus, "0-3");
  EXPECT_EQ(found.cpuset_mems, std::nullopt);
  EXPECT_EQ(For(hierarchies, "g/gone").CpusetInEffect().cpuset_cpus,
            std::nullopt);
}

TEST(ManagerApply, WritesToTheHierarchyOfEachController) {
  FakeCgroupfs fs({{"memory/c/memory.limit_in_bytes", ""},
                   {"pids/c/pids.max", ""},
                   {"unified/c/hugetlb.2MB.max", ""}});
  const std::vector<std::string> unified = {"hugetlb"};
  const Hierarchies hierarchies = fs.Open({"memory", "pids"}, &unified);
  Resources resources;
  resources.memory_limit = 4096;
  resources.pids_limit = 5;
  resources.hugepage_limits = {{"2MB", 8}};
  ASSERT_OK(For(hierarchies, "c").Apply(resources));
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "4096");
  EXPECT_EQ(fs.Get("pids/c/pids.max"), "5");
  EXPECT_EQ(fs.Get("unified/c/hugetlb.2MB.max"), "8");
}

TEST(ManagerApply, LimitWithoutItsControllerIsAnErrorThatNamesIt) {
  FakeCgroupfs fs({{"memory/c/x", ""}});
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  Resources resources;
  resources.pids_limit = 5;
  EXPECT_THAT(For(hierarchies, "c").Apply(resources),
              StatusIs(kPrecondition, HasSubstr("pids")));
  resources = {};
  resources.net_cls_classid = 1;
  EXPECT_THAT(For(hierarchies, "c").Apply(resources),
              StatusIs(kPrecondition, HasSubstr("net_cls")));
  resources = {};
  resources.unified = {{"memory.high", "1"}};
  EXPECT_THAT(For(hierarchies, "c").Apply(resources),
              StatusIs(kPrecondition, HasSubstr("memory.high")));
  EXPECT_OK(For(hierarchies, "c").Apply({}));
}

TEST(ManagerUpdate, FailureRestoresWhatWasWrittenBefore) {
  FakeCgroupfs fs({{"memory/c/memory.limit_in_bytes", "1000"},
                   {"cpu/c/cpu.shares", "100"}});
  fs.PutBroken("pids/c/pids.max");
  const Hierarchies hierarchies = fs.Open({"memory", "cpu", "pids"}, nullptr);
  Resources resources;
  resources.memory_limit = 2000;
  resources.cpu_shares = 200;
  resources.pids_limit = 5;
  EXPECT_THAT(For(hierarchies, "c").Update(resources).message(),
              HasSubstr("pids.max"));
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "1000");
  EXPECT_EQ(fs.Get("cpu/c/cpu.shares"), "100");
}

TEST(ManagerUpdate, CanBeTakenBackLater) {
  FakeCgroupfs fs({{"memory/c/memory.limit_in_bytes", "1000"},
                   {"cpu/c/cpu.shares", "100"}});
  fs.PutBroken("pids/c/pids.max");
  const Hierarchies hierarchies = fs.Open({"memory", "cpu", "pids"}, nullptr);
  Resources resources;
  resources.memory_limit = 2000;
  resources.cpu_shares = 200;
  UndoStack undo;
  ASSERT_OK(For(hierarchies, "c").Update(resources, undo));
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "2000");
  EXPECT_EQ(fs.Get("cpu/c/cpu.shares"), "200");
  ASSERT_OK(undo.Run());
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "1000");
  EXPECT_EQ(fs.Get("cpu/c/cpu.shares"), "100");

  // What failed has undone itself and leaves the caller nothing to do.
  resources.pids_limit = 5;
  EXPECT_FALSE(For(hierarchies, "c").Update(resources, undo).ok());
  fs.Put("cpu/c/cpu.shares", "77");
  ASSERT_OK(undo.Run());
  EXPECT_EQ(fs.Get("cpu/c/cpu.shares"), "77");
}

TEST(ManagerUpdate, V2RefusesAMemoryLimitBelowWhatIsInUse) {
  FakeCgroupfs fs({{"unified/c/memory.current", "5000\n"},
                   {"unified/c/memory.high", "max\n"},
                   {"unified/c/memory.max", "max\n"},
                   {"unified/c/cpu.weight", "100\n"}});
  const std::vector<std::string> unified = {"cpu", "memory"};
  const Hierarchies hierarchies = fs.Open({}, &unified);
  Resources resources;
  resources.cpu_shares = 2;
  resources.memory_limit = 4096;
  EXPECT_THAT(For(hierarchies, "c").Update(resources).message(),
              HasSubstr("(more than that is in use): EBUSY"));
  EXPECT_EQ(fs.Get("unified/c/memory.max"), "max\n");
  EXPECT_EQ(fs.Get("unified/c/memory.high"), "max");
  EXPECT_EQ(fs.Get("unified/c/cpu.weight").substr(0, 3), "100");
  resources.memory_limit = 5000;
  EXPECT_OK(For(hierarchies, "c").Update(resources));
  EXPECT_EQ(fs.Get("unified/c/memory.max"), "5000");
  EXPECT_EQ(fs.Get("unified/c/memory.high"), "max");
}

TEST(ManagerCheck, SaysWhatApplyWouldSay) {
  FakeCgroupfs fs;
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  Resources resources;
  resources.memory_limit = 4096;
  EXPECT_OK(Manager::Check(hierarchies, resources));
  resources.memory_swap = 1000;
  EXPECT_THAT(Manager::Check(hierarchies, resources),
              StatusIs(absl::StatusCode::kInvalidArgument));
  resources = {};
  resources.unified = {{"memory.high", "1"}};
  EXPECT_THAT(Manager::Check(hierarchies, resources),
              StatusIs(kPrecondition, HasSubstr("memory.high")));
}

TEST(ManagerCheck, NoHugePagesNeedNoController) {
  FakeCgroupfs fs;
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  Resources resources;
  resources.hugepage_limits = {{"2MB", 0}, {"1GB", 0}};
  EXPECT_OK(Manager::Check(hierarchies, resources));
  resources.hugepage_limits[1].limit = 1 << 30;
  EXPECT_THAT(Manager::Check(hierarchies, resources),
              StatusIs(kPrecondition, HasSubstr("hugetlb")));
}

TEST(ManagerUpdate, BadValueTouchesNothing) {
  FakeCgroupfs fs(
      {{"memory/c/memory.limit_in_bytes", "1000"}, {"pids/c/pids.max", "5"}});
  const Hierarchies hierarchies = fs.Open({"memory", "pids"}, nullptr);
  Resources resources;
  resources.memory_limit = 2000;
  resources.pids_limit = 0;
  EXPECT_THAT(For(hierarchies, "c").Update(resources),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "1000");
}

TEST(ManagerUpdate, FiniteSwapWithoutSwapAccountingIsAnError) {
  FakeCgroupfs fs({{"memory/c/memory.limit_in_bytes", "1000"}});
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  Resources resources;
  resources.memory_limit = 2000;
  resources.memory_swap = 3000;
  EXPECT_THAT(For(hierarchies, "c").Update(resources),
              StatusIs(kPrecondition, HasSubstr("memory.memsw")));
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "1000");
  resources.memory_swap = 2000;
  EXPECT_OK(For(hierarchies, "c").Update(resources));
  EXPECT_EQ(fs.Get("memory/c/memory.limit_in_bytes"), "2000");
}

TEST(ManagerSetDevices, V1EndsWithTheLastRuleWritten) {
  FakeCgroupfs fs({{"devices/c/devices.list", "a *:* rwm\n"},
                   {"devices/c/devices.allow", ""},
                   {"devices/c/devices.deny", ""}});
  const Hierarchies hierarchies = fs.Open({"devices"}, nullptr);
  const std::vector<DeviceRule> rules = {{true, 'c', 1, 3, "rwm"}};
  ASSERT_OK(For(hierarchies, "c").SetDevices(rules));
  EXPECT_EQ(fs.Get("devices/c/devices.deny"), "a");
  EXPECT_EQ(fs.Get("devices/c/devices.allow"), "c 1:3 rwm");
}

TEST(ManagerSetDevices, NoWayToEnforceIsAnError) {
  FakeCgroupfs fs({{"memory/c/x", ""}});
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  EXPECT_THAT(For(hierarchies, "c").SetDevices(DefaultDeviceRules()),
              StatusIs(kPrecondition));
}

TEST(ManagerAddProcess, WritesEveryHierarchyButTheOneClonedInto) {
  FakeCgroupfs fs({{"memory/c/cgroup.procs", ""},
                   {"pids/c/cgroup.procs", ""},
                   {"unified/c/cgroup.procs", ""}});
  const std::vector<std::string> none;
  const Hierarchies hierarchies = fs.Open({"memory", "pids"}, &none);
  ASSERT_OK(For(hierarchies, "c").AddProcess(77, /*in_unified=*/true));
  EXPECT_EQ(fs.Get("memory/c/cgroup.procs"), "77");
  EXPECT_EQ(fs.Get("pids/c/cgroup.procs"), "77");
  EXPECT_EQ(fs.Get("unified/c/cgroup.procs"), "");
  ASSERT_OK(For(hierarchies, "c").AddProcess(78));
  EXPECT_EQ(fs.Get("unified/c/cgroup.procs"), "78");
  EXPECT_THAT(For(hierarchies, "c").AddProcess(0),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ManagerProcesses, BelowOnlyIfAsked) {
  FakeCgroupfs fs({{"pids/c/cgroup.procs", "9\n3\n"},
                   {"pids/c/d/cgroup.procs", "5\n"},
                   {"pids/c/d/e/cgroup.procs", "3\n"}});
  const Hierarchies hierarchies = fs.Open({"pids"}, nullptr);
  EXPECT_THAT(For(hierarchies, "c").Processes(false),
              IsOkAndHolds(ElementsAre(3, 9)));
  EXPECT_THAT(For(hierarchies, "c").Processes(true),
              IsOkAndHolds(ElementsAre(3, 5, 9)));
  EXPECT_THAT(For(hierarchies, "gone").Processes(true),
              IsOkAndHolds(ElementsAre()));
}

TEST(ManagerChildren, AreTheUnionOfAllHierarchies) {
  FakeCgroupfs fs({{"pids/g/a/x", ""},
                   {"memory/g/b/x", ""},
                   {"memory/g/a/x", ""},
                   {"memory/g/file", ""}});
  const Hierarchies hierarchies = fs.Open({"pids", "memory"}, nullptr);
  EXPECT_THAT(For(hierarchies, "g").Children(),
              IsOkAndHolds(ElementsAre("a", "b")));
}

TEST(ManagerFreeze, V1WritesTheState) {
  FakeCgroupfs fs({{"freezer/c/freezer.state", "THAWED\n"}});
  const Hierarchies hierarchies = fs.Open({"freezer"}, nullptr);
  ASSERT_OK(For(hierarchies, "c").Freeze());
  EXPECT_THAT(fs.Get("freezer/c/freezer.state"), HasSubstr("FROZEN"));
  ASSERT_OK(For(hierarchies, "c").Thaw());
  EXPECT_THAT(fs.Get("freezer/c/freezer.state"), HasSubstr("THAWED"));
}

TEST(ManagerFreeze, V2WaitsForTheEventAndGivesUpThawed) {
  FakeCgroupfs fs({{"unified/c/cgroup.freeze", "0"},
                   {"unified/c/cgroup.events", "populated 1\nfrozen 1\n"}});
  const std::vector<std::string> none;
  const Hierarchies hierarchies = fs.Open({}, &none);
  ASSERT_OK(For(hierarchies, "c").Freeze());
  EXPECT_EQ(fs.Get("unified/c/cgroup.freeze"), "1");
  fs.Put("unified/c/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_THAT(For(hierarchies, "c").Freeze(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(fs.Get("unified/c/cgroup.freeze"), "0");
}

TEST(ManagerFreeze, NeedsAFreezer) {
  FakeCgroupfs fs({{"memory/c/x", ""}});
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  EXPECT_THAT(For(hierarchies, "c").Freeze(), StatusIs(kPrecondition));
}

TEST(ManagerKill, MissingOrEmptyCgroupIsOk) {
  FakeCgroupfs fs(
      {{"unified/c/cgroup.kill", ""}, {"unified/c/cgroup.procs", ""}});
  const std::vector<std::string> none;
  const Hierarchies hierarchies = fs.Open({}, &none);
  EXPECT_OK(For(hierarchies, "gone").Kill());
  EXPECT_OK(For(hierarchies, "c").Kill());
  EXPECT_EQ(fs.Get("unified/c/cgroup.kill"), "1");
}

TEST(ManagerRemove, TakesChildrenFirstAndMissingIsOk) {
  FakeCgroupfs fs;
  fs.PutBroken("pids/g/p/c/inner");
  fs.PutBroken("memory/g/p");
  const Hierarchies hierarchies = fs.Open({"pids", "memory"}, nullptr);
  ASSERT_OK(For(hierarchies, "g/p").Remove(kSoon));
  EXPECT_FALSE(fs.Has("pids/g/p"));
  EXPECT_FALSE(fs.Has("memory/g/p"));
  EXPECT_TRUE(fs.Has("pids/g"));
  EXPECT_OK(For(hierarchies, "g/p").Remove(kSoon));
}

TEST(ManagerRemove, BusyCgroupIsNamedAndTheOthersStillGo) {
  FakeCgroupfs fs({{"pids/c/cgroup.procs", "1234\n"}});
  fs.PutBroken("memory/c");
  const Hierarchies hierarchies = fs.Open({"pids", "memory"}, nullptr);
  EXPECT_THAT(
      For(hierarchies, "c").Remove(kSoon),
      StatusIs(absl::StatusCode::kDeadlineExceeded,
               ::testing::AllOf(HasSubstr("/pids"), HasSubstr("1234"))));
  EXPECT_FALSE(fs.Has("memory/c"));
}

}  // namespace
}  // namespace gantry::cgroup
