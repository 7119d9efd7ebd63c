#include "runtime/plan/selinux.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/mounts.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::plan {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kContexts[] =
    "# of the policy\n"
    "process = \"system_u:system_r:container_t:s0\"\n"
    "content = \"system_u:object_r:virt_var_lib_t:s0\"\n"
    "file = \"system_u:object_r:container_file_t:s0\"\n"
    "ro_file = \"system_u:object_r:container_ro_file_t:s0\"\n";

SelinuxContexts Contexts() { return ParseLxcContexts(kContexts).value(); }

TEST(ParseLxcContexts, TakesProcessFileAndLayer) {
  const SelinuxContexts contexts = Contexts();
  EXPECT_EQ(contexts.process, "system_u:system_r:container_t:s0");
  EXPECT_EQ(contexts.file, "system_u:object_r:container_file_t:s0");
  EXPECT_EQ(contexts.layer, "system_u:object_r:container_ro_file_t:s0");
}

TEST(ParseLxcContexts, LayersNeedNotHaveALabel) {
  const absl::StatusOr<SelinuxContexts> contexts =
      ParseLxcContexts("process = \"a:b:c\"\nfile = \"a:b:d\"\n");
  ASSERT_TRUE(contexts.ok()) << contexts.status();
  EXPECT_EQ(contexts->layer, "");
}

TEST(ParseLxcContexts, NamesWhatIsMissingOrNoLabel) {
  EXPECT_THAT(ParseLxcContexts("process = \"a:b:c\"\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("file")));
  EXPECT_THAT(ParseLxcContexts("process = \"a:b\"\nfile = \"a:b:c\"\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("process: \"a:b\"")));
  EXPECT_THAT(
      ParseLxcContexts("process = \"a:b:c\"\nfile = \"a:b:c\"\nro_file=x"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ro_file")));
}

TEST(ReadSelinuxContexts, NeedsTheKernelAndThePolicy) {
  sys::testing::FakeTree root;
  const std::string file = "etc/selinux/default/contexts/lxc_contexts";
  root.Write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=default\n");
  root.Write(file, kContexts);
  EXPECT_FALSE(ReadSelinuxContexts(root.fd()).has_value());
  root.Write("sys/fs/selinux/enforce", "0");
  // A type that no loaded module has: the kernel refuses the label.
  EXPECT_FALSE(ReadSelinuxContexts(root.fd()).has_value());
  root.Write("sys/fs/selinux/context", "");
  ASSERT_TRUE(ReadSelinuxContexts(root.fd()).has_value());
  EXPECT_EQ(ReadSelinuxContexts(root.fd())->process, Contexts().process);
  root.Write(file, "nothing of use");
  EXPECT_FALSE(ReadSelinuxContexts(root.fd()).has_value());
  root.Write(file, kContexts);
  root.Write("etc/selinux/config", "SELINUXTYPE=../../tmp\n");
  EXPECT_FALSE(ReadSelinuxContexts(root.fd()).has_value());
}

TEST(SelinuxLevel, EachNumberIsAnotherPair) {
  const SelinuxContexts contexts = Contexts();
  EXPECT_EQ(SelinuxLevel(contexts, 0), "s0:c0,c1");
  EXPECT_EQ(SelinuxLevel(contexts, 1022), "s0:c0,c1023");
  EXPECT_EQ(SelinuxLevel(contexts, 1023), "s0:c1,c2");
  EXPECT_EQ(SelinuxLevel(contexts, kSelinuxCategoryPairs - 1),
            "s0:c1022,c1023");
  std::set<std::string> levels;
  for (uint32_t i = 0; i < kSelinuxCategoryPairs; ++i) {
    levels.insert(SelinuxLevel(contexts, i));
  }
  EXPECT_EQ(levels.size(), kSelinuxCategoryPairs);
}

TEST(SelinuxLevel, APolicyWithoutLevelsHasNone) {
  EXPECT_EQ(SelinuxLevel({"a:b:c", "a:b:f"}, 7), "");
}

TEST(MakeSelinuxLabels, ThePodsLevelIsInBoth) {
  const SelinuxLabels labels = MakeSelinuxLabels(Contexts(), {}, "s0:c3,c77");
  EXPECT_EQ(labels.process, "system_u:system_r:container_t:s0:c3,c77");
  EXPECT_EQ(labels.mount, "system_u:object_r:container_file_t:s0:c3,c77");
}

TEST(MakeSelinuxLabels, WhatIsAskedForIsTheProcesss) {
  spec::SelinuxOptions options;
  options.set_type("container_logreader_t");
  options.set_level("s0:c100,c200");
  SelinuxLabels labels = MakeSelinuxLabels(Contexts(), options, "s0:c1,c2");
  EXPECT_EQ(labels.process,
            "system_u:system_r:container_logreader_t:s0:c100,c200");
  EXPECT_EQ(labels.mount, "system_u:object_r:container_file_t:s0:c100,c200");
  options.set_user("unconfined_u");
  options.set_role("unconfined_r");
  labels = MakeSelinuxLabels(Contexts(), options, "s0:c1,c2");
  EXPECT_THAT(labels.process, HasSubstr("unconfined_u:unconfined_r:"));
}

// A plan with everything in it that has a label.
InitPlan LabelledMounts(const std::string& label) {
  spec::ContainerSpec spec;
  spec.mutable_security()->set_selinux_mount_label(label);
  for (const char* path : {"/kept", "/relabelled"}) {
    spec::BindMount& mount = *spec.add_mounts();
    mount.set_host_path(path);
    mount.set_container_path(path);
    mount.set_selinux_relabel(mount.host_path() == "/relabelled");
  }
  spec::BindMount& image = *spec.add_mounts();
  image.set_container_path("/image");
  image.mutable_image()->set_layers_dir("/layers");
  image.mutable_image()->add_lower_dirs("1/fs");
  spec.mutable_rootfs()->set_mount_point("/run/c/rootfs");
  InitPlan init;
  EXPECT_TRUE(PlanMounts(spec, HostFacts(), init).ok());
  return init;
}

const MountStep& StepAt(const InitPlan& init, absl::string_view target) {
  for (const MountStep& step : init.mounts()) {
    if (step.target() == target) return step;
  }
  ADD_FAILURE() << "nothing at " << target;
  return MountStep::default_instance();
}

TEST(PlanMounts, WhatTheContainerWritesHasItsLabel) {
  const InitPlan init = LabelledMounts("u:r:t:s0:c1,c2");
  for (const char* target : {"/dev", "/dev/pts", "/dev/shm"}) {
    EXPECT_THAT(StepAt(init, target).options(),
                Contains("context=u:r:t:s0:c1,c2"))
        << target;
  }
  for (const char* target : {"/proc", "/sys"}) {
    EXPECT_THAT(StepAt(init, target).options(),
                Not(Contains(HasSubstr("context="))))
        << target;
  }
  EXPECT_EQ(StepAt(init, "/dev/mqueue").selinux_label(), "u:r:t:s0:c1,c2");
  EXPECT_EQ(StepAt(init, "/image").image().selinux_context(), "u:r:t:s0:c1,c2");
}

TEST(PlanMounts, OnlyWhatIsAskedForIsRelabelled) {
  const InitPlan init = LabelledMounts("u:r:t:s0:c1,c2");
  EXPECT_EQ(StepAt(init, "/kept").selinux_label(), "");
  EXPECT_EQ(StepAt(init, "/relabelled").selinux_label(), "u:r:t:s0:c1,c2");
}

TEST(PlanMounts, WithoutALabelNothingHasOne) {
  const InitPlan init = LabelledMounts("");
  for (const MountStep& step : init.mounts()) {
    EXPECT_EQ(step.selinux_label(), "") << step.target();
    EXPECT_EQ(step.image().selinux_context(), "") << step.target();
    EXPECT_THAT(step.options(), Not(Contains(HasSubstr("context="))))
        << step.target();
  }
}

}  // namespace
}  // namespace gantry::plan
