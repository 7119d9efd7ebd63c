#include "runtime/plan/planner.h"

#include <linux/mount.h>
#include <sys/resource.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/masks.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::plan {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

DeviceNode Device(const std::string& path, const std::string& type,
                  uint32_t major, uint32_t minor) {
  DeviceNode node;
  node.set_path(path);
  node.set_type(type);
  node.set_major(major);
  node.set_minor(minor);
  node.set_mode(0660);
  return node;
}

class FakeDevices : public DeviceLookup {
 public:
  absl::StatusOr<std::vector<DeviceNode>> Find(
      absl::string_view path) const override {
    if (path == "/dev/fuse") {
      return std::vector<DeviceNode>{Device("/dev/fuse", "c", 10, 229)};
    }
    if (path == "/dev/snd") {
      return std::vector<DeviceNode>{Device("/dev/snd/seq", "c", 116, 1),
                                     Device("/dev/snd/by/id", "c", 116, 2)};
    }
    return absl::NotFoundError("no such device");
  }
  absl::StatusOr<std::vector<DeviceNode>> All() const override {
    return std::vector<DeviceNode>{Device("/dev/fuse", "c", 10, 229),
                                   Device("/dev/vda", "b", 254, 0)};
  }
};

HostFacts Host() {
  HostFacts facts;
  facts.last_capability = 40;
  facts.capabilities = (uint64_t{1} << 41) - 1;
  facts.devices = std::make_shared<FakeDevices>();
  CgroupHierarchy& memory = facts.hierarchies.emplace_back();
  memory.add_controllers("memory");
  memory.set_mount_path("/sys/fs/cgroup/memory");
  CgroupHierarchy& named = facts.hierarchies.emplace_back();
  named.add_controllers("name=systemd");
  named.set_mount_path("/sys/fs/cgroup/systemd");
  CgroupHierarchy& unified = facts.hierarchies.emplace_back();
  unified.set_mount_path("/sys/fs/cgroup/unified");
  unified.set_unified(true);
  return facts;
}

spec::ContainerSpec Spec() {
  spec::ContainerSpec spec;
  spec.set_id("c1");
  spec.mutable_process()->add_args("/bin/sh");
  spec.mutable_rootfs()->add_lower_dirs("l1");
  spec.mutable_rootfs()->set_layers_dir("/var/lib/gantry/layers");
  spec.mutable_rootfs()->set_upper_dir("/var/lib/gantry/c1/upper");
  spec.mutable_rootfs()->set_work_dir("/var/lib/gantry/c1/work");
  spec.mutable_rootfs()->set_mount_point("/run/gantry/c1/rootfs");
  spec.mutable_namespaces()->set_pid(spec::CONTAINER);
  spec.set_cgroup_path("/gantry/p1/c1");
  return spec;
}

absl::StatusOr<ContainerPlan> Build(const spec::ContainerSpec& spec) {
  SeccompCache cache;
  return BuildPlan(spec, Host(), cache);
}

std::vector<std::string> Targets(const ContainerPlan& plan) {
  std::vector<std::string> targets;
  for (const MountStep& step : plan.init().mounts()) {
    targets.push_back(step.target());
  }
  return targets;
}

const MountStep* StepAt(const ContainerPlan& plan, const std::string& target) {
  for (const MountStep& step : plan.init().mounts()) {
    if (step.target() == target) return &step;
  }
  return nullptr;
}

void AddMount(spec::ContainerSpec& spec, const std::string& from,
              const std::string& to) {
  spec::BindMount* mount = spec.add_mounts();
  mount->set_host_path(from);
  mount->set_container_path(to);
}

TEST(BuildPlan, DefaultMountsComeParentsFirst) {
  ContainerPlan plan = *Build(Spec());
  EXPECT_EQ(Targets(plan), (std::vector<std::string>{
                               "/proc", "/dev", "/sys", "/dev/pts", "/dev/shm",
                               "/dev/mqueue", "/sys/fs/cgroup"}));
  EXPECT_TRUE(StepAt(plan, "/sys")->attributes() & MOUNT_ATTR_RDONLY);
  EXPECT_TRUE(StepAt(plan, "/sys/fs/cgroup")->attributes() & MOUNT_ATTR_RDONLY);
  EXPECT_EQ(StepAt(plan, "/dev/shm")->options(1), "size=67108864");
}

TEST(BuildPlan, CgroupMountsNameEveryHierarchy) {
  ContainerPlan plan = *Build(Spec());
  const MountStep* step = StepAt(plan, "/sys/fs/cgroup");
  ASSERT_EQ(step->options_size(), 3);
  EXPECT_EQ(step->options(0), "memory:memory");
  EXPECT_EQ(step->options(1), "systemd:name=systemd");
  EXPECT_EQ(step->options(2), "unified:");
}

TEST(BuildPlan, ClientMountsReplaceDefaultsAndSortBehindTheirParents) {
  spec::ContainerSpec spec = Spec();
  AddMount(spec, "/host/a", "/data/deep/");
  AddMount(spec, "/host/b", "/data");
  AddMount(spec, "/host/shm", "/dev/shm");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(Targets(plan),
            (std::vector<std::string>{"/proc", "/dev", "/sys", "/data",
                                      "/dev/pts", "/dev/mqueue", "/data/deep",
                                      "/dev/shm", "/sys/fs/cgroup"}));
  EXPECT_EQ(StepAt(plan, "/dev/shm")->source(), "/host/shm");
}

TEST(BuildPlan, ThePodsSharedMemoryIsBound) {
  spec::ContainerSpec spec = Spec();
  spec.set_shm_path("/run/gantry/p1/shm");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(StepAt(plan, "/dev/shm")->kind(), MountStep::BIND);
  EXPECT_EQ(StepAt(plan, "/dev/shm")->source(), "/run/gantry/p1/shm");
}

TEST(BuildPlan, NothingButProcfsGoesOverProc) {
  for (const char* target : {"/proc", "/proc/", "//proc/./", "/proc/self",
                             "/proc/sys/kernel", "/x/../proc"}) {
    spec::ContainerSpec spec = Spec();
    AddMount(spec, "/host/fake", target);
    absl::Status status = Build(spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << target;
    EXPECT_TRUE(absl::StrContains(status.message(), "procfs")) << status;
  }
  spec::ContainerSpec spec = Spec();
  AddMount(spec, "/var/lib/lxcfs/proc/meminfo", "/proc/meminfo");
  EXPECT_TRUE(Build(spec).ok());
}

TEST(BuildPlan, MountOptionsBecomeAttributes) {
  spec::ContainerSpec spec = Spec();
  AddMount(spec, "/a", "/a");
  spec.mutable_mounts(0)->set_read_only(true);
  spec.mutable_mounts(0)->add_options("noexec");
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(StepAt(plan, "/a")->attributes(),
            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
  spec.mutable_mounts(0)->add_options("suid-please");
  EXPECT_EQ(Build(spec).status().message(),
            "mounts: /a: unknown option \"suid-please\"");
}

TEST(BuildPlan, RecursiveReadOnlyNeedsPrivatePropagation) {
  spec::ContainerSpec spec = Spec();
  AddMount(spec, "/a", "/a");
  spec.mutable_mounts(0)->set_recursive_read_only(true);
  EXPECT_FALSE(Build(spec).ok());
  spec.mutable_mounts(0)->set_read_only(true);
  EXPECT_TRUE(StepAt(*Build(spec), "/a")->recursive_attributes());
  spec.mutable_mounts(0)->set_propagation(spec::BIDIRECTIONAL);
  EXPECT_FALSE(Build(spec).ok());
}

void AddIdMapping(spec::BindMount& mount, uint32_t host_id) {
  for (spec::IdMapping* mapping :
       {mount.add_uid_mappings(), mount.add_gid_mappings()}) {
    mapping->set_host_id(host_id);
    mapping->set_length(65536);
  }
}

TEST(BuildPlan, MountsWithTheSameIdMappingShareIt) {
  spec::ContainerSpec spec = Spec();
  for (const char* path : {"/a", "/b", "/c", "/d"}) AddMount(spec, path, path);
  AddIdMapping(*spec.mutable_mounts(0), 100000);
  AddIdMapping(*spec.mutable_mounts(1), 200000);
  AddIdMapping(*spec.mutable_mounts(2), 100000);
  ContainerPlan plan = *Build(spec);
  ASSERT_EQ(plan.init().id_maps_size(), 2);
  EXPECT_EQ(plan.init().id_maps(1).uids(0).host_id(), 200000u);
  EXPECT_EQ(StepAt(plan, "/a")->id_map(), 1u);
  EXPECT_EQ(StepAt(plan, "/b")->id_map(), 2u);
  EXPECT_EQ(StepAt(plan, "/c")->id_map(), 1u);
  EXPECT_EQ(StepAt(plan, "/d")->id_map(), 0u);
  spec.mutable_mounts(3)->add_gid_mappings()->set_length(1);
  EXPECT_THAT(Build(spec), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("/d: an id mapping needs both")));
}

TEST(BuildPlan, AnImageIsMountedReadOnlyFromItsLayers) {
  spec::ContainerSpec spec = Spec();
  spec::BindMount* mount = spec.add_mounts();
  mount->set_container_path("/data");
  mount->add_options("noexec");
  mount->mutable_image()->set_image_ref("example.org/data@sha256:1");
  mount->mutable_image()->set_layers_dir("/var/lib/gantry/layers");
  mount->mutable_image()->add_lower_dirs("b/fs");
  mount->mutable_image()->add_lower_dirs("a/fs");
  mount->mutable_image()->set_sub_path("one/two");
  ContainerPlan plan = *Build(spec);
  const MountStep& step = *StepAt(plan, "/data");
  EXPECT_EQ(step.kind(), MountStep::IMAGE);
  EXPECT_EQ(step.attributes(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
  EXPECT_EQ(step.source(), "example.org/data@sha256:1");
  EXPECT_EQ(step.sub_path(), "one/two");
  EXPECT_EQ(step.image().lower_dirs_size(), 2);
  EXPECT_EQ(step.image().lower_dirs(0), "b/fs");
  EXPECT_EQ(step.image().mount_point(), "/run/gantry/c1/rootfs");
  EXPECT_EQ(step.image().upper_dir(), "");
  mount->mutable_image()->set_lower_dirs(0, "/etc");
  EXPECT_THAT(Build(spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/data: lower_dirs: \"/etc\" is no plain")));
}

TEST(BuildPlan, AnImagesVolumesLeaveTheDefaultsAlone) {
  spec::ContainerSpec spec = Spec();
  for (const char* path : {"/sys/fs/cgroup", "/dev", "/data"}) {
    AddMount(spec, "/volume", path);
    spec.mutable_mounts(spec.mounts_size() - 1)->set_image_volume(true);
  }
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(StepAt(plan, "/sys/fs/cgroup")->kind(), MountStep::CGROUP);
  EXPECT_EQ(StepAt(plan, "/dev")->kind(), MountStep::FILESYSTEM);
  EXPECT_GT(plan.init().devices_size(), 0);
  EXPECT_EQ(StepAt(plan, "/data")->kind(), MountStep::BIND);
  EXPECT_TRUE(StepAt(plan, "/data")->fill_from_rootfs());
  spec.mutable_mounts(0)->set_container_path("/proc");
  EXPECT_THAT(Build(spec),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("volumes of the image: /proc: ")));
  spec.mutable_mounts(0)->set_container_path("/x/../proc/sys/");
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, AMountOverTheRootIsRefused) {
  spec::ContainerSpec spec = Spec();
  AddMount(spec, "/a", "/x/..");
  EXPECT_FALSE(Build(spec).ok());
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

TEST(BuildPlan, SysctlsOfOwnNamespacesOnly) {
  spec::ContainerSpec spec = Spec();
  auto& sysctls = *spec.mutable_sysctls();
  sysctls["net.ipv4.ip_forward"] = "1";
  sysctls["kernel.shmmax"] = "5";
  sysctls["net/ipv4/conf/eth0.1/forwarding"] = "0";
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.init().sysctls().at("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(plan.init().sysctls().at("net/ipv4/conf/eth0.1/forwarding"), "0");
  spec.mutable_namespaces()->set_network(spec::NODE);
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, SysctlsOfTheHostOrWithTricksAreRefused) {
  const std::pair<const char*, std::string> kBad[] = {
      {"kernel.core_pattern", "|/x"},
      {"vm.swappiness", "1"},
      {"net.ipv4.ip_forward", "1\nkernel.core_pattern=|/x"},
      {"net..x", "1"},
      {"net.x", "1+kernel.core_pattern=|/x"},
      {"net.x", "1+2"},
      {"net.x", "a=b"},
      {"net.x", std::string("1\0", 2)},
      {"net.x", "$(x)"},
      {"kernel.domainname", "x"},
      {"kernel.shm", "1"},
      {"kernel.shm_next_id", "1"},
      {"kernel.msg_next_id", "1"},
      {"net/../kernel/core_pattern", "1"},
      {"net.x+kernel.core_pattern", "1"},
      {"", "1"},
  };
  for (const auto& [key, value] : kBad) {
    spec::ContainerSpec spec = Spec();
    (*spec.mutable_sysctls())[key] = value;
    EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kInvalidArgument)
        << key;
  }
}

TEST(BuildPlan, SysctlsTakeTheValuesThatTheKernelWrites) {
  for (const char* value : {"1", "-1", "250 32000\t100", "8080,9148-9150",
                            "bbr", "fq_codel", "2001:db8::1/64", "0.5", ""}) {
    spec::ContainerSpec spec = Spec();
    (*spec.mutable_sysctls())["net.ipv4.x"] = value;
    absl::StatusOr<ContainerPlan> plan = Build(spec);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->init().sysctls().at("net/ipv4/x"), value);
  }
}

TEST(BuildPlan, ASysctlInTwoSpellingsIsRefused) {
  spec::ContainerSpec spec = Spec();
  (*spec.mutable_sysctls())["net.ipv4.x"] = "1";
  (*spec.mutable_sysctls())["net/ipv4/x"] = "2";
  EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

spec::ContainerSpec WithUserNamespace() {
  spec::ContainerSpec spec = Spec();
  spec::UserNamespace& user = *spec.mutable_namespaces()->mutable_user();
  for (spec::IdMapping* ids : {user.mutable_uids(), user.mutable_gids()}) {
    ids->set_host_id(65536);
    ids->set_length(65536);
  }
  return spec;
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
