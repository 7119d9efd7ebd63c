#include <linux/mount.h>

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/testing/plan_cases.h"

namespace gantry::plan {
namespace {

using testing::AddMount;
using testing::Build;
using testing::Host;
using testing::Spec;
using testing::StepAt;

TEST(BuildPlan, DefaultDevicesAndLinks) {
  ContainerPlan plan = *Build(Spec());
  std::set<std::string> nodes;
  for (const DeviceNode& node : plan.init().devices()) {
    nodes.insert(node.path());
    EXPECT_EQ(node.mode(), 0666u);
  }
  EXPECT_EQ(nodes,
            (std::set<std::string>{"/dev/null", "/dev/zero", "/dev/full",
                                   "/dev/random", "/dev/urandom", "/dev/tty"}));
  EXPECT_EQ(plan.init().symlinks_size(), 6);
  for (const spec::DeviceRule& rule : plan.cgroup().device_rules()) {
    EXPECT_TRUE(rule.allow());
    EXPECT_NE(rule.type(), "a");
  }
}

TEST(BuildPlan, AClientsDeviceIsMadeAndAllowed) {
  spec::ContainerSpec spec = Spec();
  spec::Device* device = spec.add_devices();
  device->set_host_path("/dev/fuse");
  device->set_container_path("/dev/other");
  device->set_permissions("rw");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.init().devices(6).path(), "/dev/other");
  EXPECT_EQ(plan.init().devices(6).minor(), 229u);
  const spec::DeviceRule& rule = *(plan.cgroup().device_rules().end() - 1);
  EXPECT_EQ(rule.major(), 10);
  EXPECT_EQ(rule.access(), "rw");
  device->set_permissions("rx");
  EXPECT_FALSE(Build(spec).ok());
  device->set_permissions("r");
  device->set_host_path("/dev/none");
  EXPECT_EQ(Build(spec).status().message(),
            "devices: /dev/none: no such device");
}

TEST(BuildPlan, ADirectoryStandsForTheDevicesBelowIt) {
  spec::ContainerSpec spec = Spec();
  spec::Device* device = spec.add_devices();
  device->set_host_path("/dev/snd/");
  device->set_permissions("r");
  ContainerPlan plan = *Build(spec);
  ASSERT_EQ(plan.init().devices_size(), 8);
  EXPECT_EQ(plan.init().devices(6).path(), "/dev/snd/seq");
  EXPECT_EQ(plan.init().devices(7).path(), "/dev/snd/by/id");
  device->set_container_path("/dev/sound");
  plan = *Build(spec);
  EXPECT_EQ(plan.init().devices(7).path(), "/dev/sound/by/id");
  EXPECT_EQ(plan.init().devices(7).host_path(), "/dev/snd/by/id");
  const spec::DeviceRule& rule = *(plan.cgroup().device_rules().end() - 1);
  EXPECT_EQ(rule.minor(), 2);
  EXPECT_EQ(rule.access(), "r");
}

TEST(BuildPlan, ADescribedDeviceIsNotLookedUp) {
  spec::ContainerSpec spec = Spec();
  spec::Device* device = spec.add_devices();
  device->set_host_path("/dev/none");
  device->set_container_path("/dev/vendor");
  device->set_permissions("rwm");
  device->set_type("u");
  device->set_major(195);
  device->set_minor(7);
  ContainerPlan plan = *Build(spec);
  const DeviceNode& made = plan.init().devices(6);
  EXPECT_EQ(made.path(), "/dev/vendor");
  EXPECT_EQ(made.type(), "c");
  EXPECT_EQ(made.major(), 195u);
  EXPECT_EQ(made.mode(), 0666u);
  device->set_mode(0600);
  device->set_uid(1);
  device->set_gid(2);
  plan = *Build(spec);
  EXPECT_EQ(plan.init().devices(6).mode(), 0600u);
  EXPECT_EQ(plan.init().devices(6).uid(), 1u);
  EXPECT_EQ(plan.init().devices(6).gid(), 2u);
  const spec::DeviceRule& rule = *(plan.cgroup().device_rules().end() - 1);
  EXPECT_EQ(rule.type(), "c");
  EXPECT_EQ(rule.major(), 195);
}

TEST(BuildPlan, ADevOfTheClientsOwnGetsNoNodes) {
  spec::ContainerSpec spec = Spec();
  AddMount(spec, "/dev", "/dev");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.init().devices_size(), 0);
  EXPECT_EQ(plan.init().symlinks_size(), 0);
}

TEST(BuildPlan, PrivilegedSeesEverything) {
  spec::ContainerSpec spec = Spec();
  spec.mutable_security()->set_privileged(true);
  spec.mutable_security()->mutable_seccomp()->set_kind(
      spec::SeccompProfile::RUNTIME_DEFAULT);
  spec.mutable_security()->add_masked_paths("/proc/kcore");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.init().masked_paths_size(), 0);
  EXPECT_EQ(plan.init().readonly_paths_size(), 0);
  EXPECT_TRUE(plan.init().identity().seccomp_program().empty());
  EXPECT_EQ(plan.init().identity().cap_bounding(), Host().capabilities);
  EXPECT_FALSE(StepAt(plan, "/sys")->attributes() & MOUNT_ATTR_RDONLY);
  EXPECT_FALSE(StepAt(plan, "/sys/fs/cgroup")->attributes() &
               MOUNT_ATTR_RDONLY);
  EXPECT_EQ(plan.init().devices_size(), 8);
  EXPECT_EQ((plan.cgroup().device_rules().end() - 1)->type(), "a");
  EXPECT_EQ(plan.namespaces().cgroup(), NamespacePlan::HOST);
}

}  // namespace
}  // namespace gantry::plan
