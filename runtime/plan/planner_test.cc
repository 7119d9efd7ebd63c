#include "runtime/plan/planner.h"

#include <linux/mount.h>
#include <sys/resource.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/masks.h"
#include "runtime/plan/seccomp.h"
#include "runtime/plan/testing/plan_cases.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::plan {
namespace {

using testing::Build;
using testing::Host;
using testing::Spec;
using testing::StepAt;

spec::ContainerSpec WithUserNamespace() {
  spec::ContainerSpec spec = Spec();
  spec::UserNamespace& user = *spec.mutable_namespaces()->mutable_user();
  for (spec::IdMapping* ids : {user.mutable_uids(), user.mutable_gids()}) {
    ids->set_host_id(65536);
    ids->set_length(65536);
  }
  return spec;
}

TEST(BuildPlan, NamespacesFollowTheModes) {
  spec::ContainerSpec spec = Spec();
  spec.mutable_namespaces()->set_network(spec::NODE);
  spec.mutable_namespaces()->set_pid(spec::TARGET);
  spec.mutable_namespaces()->set_target_id("c0");
  NamespacePlan plan = Build(spec)->namespaces();
  EXPECT_EQ(plan.mount(), NamespacePlan::NEW);
  EXPECT_EQ(plan.network(), NamespacePlan::HOST);
  EXPECT_EQ(plan.pid(), NamespacePlan::JOIN);
  EXPECT_EQ(plan.ipc(), NamespacePlan::JOIN);
  EXPECT_EQ(plan.uts(), NamespacePlan::JOIN);
  EXPECT_EQ(plan.cgroup(), NamespacePlan::NEW);
  EXPECT_EQ(plan.user(), NamespacePlan::HOST);
  spec.mutable_namespaces()->clear_target_id();
  EXPECT_FALSE(Build(spec).ok());
  spec = Spec();
  spec.mutable_namespaces()->set_network(spec::TARGET);
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, MasksDefaultWhereTheClientGivesNone) {
  ContainerPlan plan = *Build(Spec());
  EXPECT_EQ(plan.init().masked_paths_size(), DefaultMaskedPaths().size());
  EXPECT_EQ(plan.init().readonly_paths_size(), DefaultReadonlyPaths().size());
  spec::ContainerSpec spec = Spec();
  spec.mutable_security()->add_masked_paths("/proc/only");
  plan = *Build(spec);
  ASSERT_EQ(plan.init().masked_paths_size(), 1);
  EXPECT_EQ(plan.init().masked_paths(0), "/proc/only");
  spec.mutable_security()->add_masked_paths("relative");
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, SeccompFollowsTheProfile) {
  spec::ContainerSpec spec = Spec();
  EXPECT_TRUE(Build(spec)->init().identity().seccomp_program().empty());
  spec::SeccompProfile* profile = spec.mutable_security()->mutable_seccomp();
  profile->set_kind(spec::SeccompProfile::RUNTIME_DEFAULT);
  EXPECT_FALSE(Build(spec)->init().identity().seccomp_program().empty());
  // Without a path there is no file to read.
  profile->set_kind(spec::SeccompProfile::LOCALHOST);
  EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kFailedPrecondition);
}

// Without the filter its owner, root of the machine's user namespace, moves a
// file out of the limit. Seen to fail without the condition in PlanIdentity.
TEST(BuildPlan, AContainerWithALimitCannotChangeTheProjectOfItsFiles) {
  spec::ContainerSpec spec = Spec();
  spec.mutable_rootfs()->set_size_limit(1 << 20);
  const std::string program = Build(spec)->init().identity().seccomp_program();
  EXPECT_EQ(program, ForbidProjectChanges(""));
  spec.mutable_security()->mutable_seccomp()->set_kind(
      spec::SeccompProfile::RUNTIME_DEFAULT);
  EXPECT_THAT(Build(spec)->init().identity().seccomp_program(),
              ::testing::StartsWith(program.substr(0, program.size() - 8)));
  // Who can take the limit away, and whom the kernel itself refuses it.
  spec.mutable_security()->clear_seccomp();
  spec.mutable_security()->set_privileged(true);
  EXPECT_EQ(Build(spec)->init().identity().seccomp_program(), "");
  spec = WithUserNamespace();
  spec.mutable_rootfs()->set_size_limit(1 << 20);
  EXPECT_EQ(Build(spec)->init().identity().seccomp_program(), "");
}

TEST(BuildPlan, RlimitsByName) {
  spec::ContainerSpec spec = Spec();
  spec::Rlimit* limit = spec.mutable_process()->add_rlimits();
  limit->set_type("RLIMIT_NOFILE");
  limit->set_soft(10);
  limit->set_hard(20);
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.init().identity().rlimits(0).resource(), RLIMIT_NOFILE);
  limit->set_soft(21);
  EXPECT_FALSE(Build(spec).ok());
  limit->set_soft(1);
  *spec.mutable_process()->add_rlimits() = spec.process().rlimits(0);
  EXPECT_EQ(Build(spec).status().message(),
            "rlimits: RLIMIT_NOFILE is set twice");
  spec.mutable_process()->mutable_rlimits(1)->set_type("NOFILE");
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, AUserNamespaceMapsRootfsAndVolumes) {
  spec::ContainerSpec spec = WithUserNamespace();
  spec::BindMount& mount = *spec.add_mounts();
  mount.set_host_path("/data");
  mount.set_container_path("/volume");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.namespaces().user(), NamespacePlan::JOIN);
  EXPECT_TRUE(plan.init().rootfs().overlay().id_mapped());
  EXPECT_TRUE(StepAt(plan, "/volume")->id_mapped());
  EXPECT_EQ(plan.init().identity().user_namespace().uids().host_id(), 65536u);
  // The group of terminals as the host counts.
  EXPECT_EQ(StepAt(plan, "/dev/pts")->options(3), "gid=65541");
  // Without one, nothing is.
  plan = *Build(Spec());
  EXPECT_EQ(plan.namespaces().user(), NamespacePlan::HOST);
  EXPECT_FALSE(plan.init().rootfs().overlay().id_mapped());
  EXPECT_FALSE(plan.init().identity().has_user_namespace());
  EXPECT_EQ(StepAt(plan, "/dev/pts")->options(3), "gid=5");
}

TEST(BuildPlan, AnUnmappedTerminalGroupIsLeftOut) {
  spec::ContainerSpec spec = WithUserNamespace();
  spec.mutable_namespaces()->mutable_user()->mutable_uids()->set_length(5);
  spec.mutable_namespaces()->mutable_user()->mutable_gids()->set_length(5);
  EXPECT_EQ(StepAt(*Build(spec), "/dev/pts")->options_size(), 3);
}

TEST(BuildPlan, PrivilegeInAUserNamespaceReachesNoHostsCgroup) {
  spec::ContainerSpec spec = WithUserNamespace();
  spec.mutable_security()->set_privileged(true);
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.namespaces().cgroup(), NamespacePlan::NEW);
  EXPECT_NE(StepAt(plan, "/sys/fs/cgroup")->attributes() & MOUNT_ATTR_RDONLY,
            0u);
}

TEST(BuildPlan, AUserNamespaceNeedsGoodRangesAndOneWayMounts) {
  spec::ContainerSpec spec = WithUserNamespace();
  spec.mutable_namespaces()->mutable_user()->mutable_gids()->set_host_id(0);
  EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kInvalidArgument);
  spec = WithUserNamespace();
  spec::BindMount& mount = *spec.add_mounts();
  mount.set_host_path("/data");
  mount.set_container_path("/volume");
  mount.set_propagation(spec::BIDIRECTIONAL);
  EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(BuildPlan, AProfileOfTheHostIsCompiledWithItsFlags) {
  sys::testing::FakeTree dir;
  const std::string path = dir.path() + "/profile.json";
  spec::ContainerSpec spec = Spec();
  spec::SeccompProfile& seccomp = *spec.mutable_security()->mutable_seccomp();
  seccomp.set_kind(spec::SeccompProfile::LOCALHOST);
  seccomp.set_localhost_path(path);
  EXPECT_THAT(Build(spec),
              gantry::testing::StatusIs(absl::StatusCode::kFailedPrecondition,
                                        ::testing::HasSubstr(path)));
  dir.Write("profile.json",
            R"({"defaultAction": "SCMP_ACT_ALLOW",
          "flags": ["SECCOMP_FILTER_FLAG_LOG"],
          "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}]})");
  ContainerPlan plan = *Build(spec);
  EXPECT_FALSE(plan.init().identity().seccomp_program().empty());
  EXPECT_EQ(plan.init().identity().seccomp_flags(), 2u);
  // Privileged containers have none, whatever is asked for.
  spec.mutable_security()->set_privileged(true);
  EXPECT_TRUE(Build(spec)->init().identity().seccomp_program().empty());
}

TEST(BuildPlan, PauseNeedsNextToNothing) {
  spec::ContainerSpec spec;
  spec.set_id("pause");
  spec.set_pause(true);
  ContainerPlan plan = *Build(spec);
  EXPECT_TRUE(plan.init().pause());
  EXPECT_TRUE(plan.init().rootfs().empty());
  EXPECT_EQ(plan.init().mounts_size(), 0);
  EXPECT_EQ(plan.init().masked_paths_size(), 0);
  ASSERT_EQ(plan.init().devices_size(), 1);
  EXPECT_EQ(plan.init().devices(0).path(), "/dev/null");
  EXPECT_EQ(plan.init().identity().cap_bounding(), 0u);
  EXPECT_EQ(plan.namespaces().pid(), NamespacePlan::NEW);
}

TEST(BuildPlan, BadProcessesAreNamed) {
  spec::ContainerSpec spec = Spec();
  spec.mutable_process()->clear_args();
  EXPECT_EQ(Build(spec).status().message(), "process.args: no program");
  spec = Spec();
  spec.mutable_process()->add_env("PASSWORD");
  EXPECT_EQ(Build(spec).status().message(),
            "process.env: variable 0 is not of the form NAME=value");
  spec = Spec();
  spec.mutable_process()->add_args(std::string("a\0b", 3));
  EXPECT_FALSE(Build(spec).ok());
  spec = Spec();
  spec.mutable_process()->set_cwd("work");
  EXPECT_FALSE(Build(spec).ok());
  spec = Spec();
  spec.mutable_process()->set_oom_score_adj(1001);
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, LayersThatWouldBreakOutOfTheOptionListAreRefused) {
  for (const char* name : {"", "/abs", "a:b", "a,b", "a\\b"}) {
    spec::ContainerSpec spec = Spec();
    spec.mutable_rootfs()->add_lower_dirs(name);
    EXPECT_FALSE(Build(spec).ok()) << name;
  }
}

TEST(BuildPlan, WhatTheHostLacksIsInThePlan) {
  HostFacts facts = Host();
  facts.capabilities = 0;
  spec::ContainerSpec spec = Spec();
  spec.mutable_security()->add_capabilities("CAP_KILL");
  SeccompCache cache;
  ContainerPlan plan = *BuildPlan(spec, facts, cache);
  ASSERT_EQ(plan.init().degraded_size(), 1);
  EXPECT_EQ(plan.init().degraded(0), "capability CAP_KILL: not available");
}

}  // namespace
}  // namespace gantry::plan
