#include <linux/mount.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/testing/plan_cases.h"

namespace gantry::plan {
namespace {

using ::gantry::testing::StatusIs;
using testing::AddMount;
using testing::Build;
using ::testing::HasSubstr;
using testing::Spec;
using testing::StepAt;
using testing::Targets;

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

}  // namespace
}  // namespace gantry::plan
