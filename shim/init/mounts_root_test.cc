// The mounts that a container's client or image asks for, on the real kernel:
// id-mapped binds, images, volumes of the image.

#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "shim/init/testing/container.h"

namespace gantry::init {
namespace {

using ::gantry::testing::StatusIs;
using testing::Container;
using ::testing::HasSubstr;
using testing::Outcome;

plan::MountStep& AddBind(Container& container, const std::string& source,
                         const std::string& target) {
  plan::MountStep& step = *container.plan().add_mounts();
  step.set_kind(plan::MountStep::BIND);
  step.set_source(source);
  step.set_target(target);
  return step;
}

// Ids from 0 on of the files are those from `outside` on in the container,
// which has no user namespace of its own.
void AddIdMap(Container& container, uint32_t outside, uint32_t length) {
  plan::IdMap& map = *container.plan().add_id_maps();
  for (spec::IdMapping* mapping : {map.add_uids(), map.add_gids()}) {
    mapping->set_container_id(0);
    mapping->set_host_id(outside);
    mapping->set_length(length);
  }
}

TEST(IdMappedBind, ShiftsOwnersBothWays) {
  Container container;
  container.MakeDirectory("data");
  container.WriteFile("data/file", "text\n");
  ASSERT_EQ(chown(container.HostPath("data/file").c_str(), 7, 8), 0);
  AddIdMap(container, 10000, 100);
  AddIdMap(container, 20000, 100);
  AddBind(container, container.HostPath("data"), "/plain");
  AddBind(container, container.HostPath("data"), "/mapped").set_id_map(2);
  Outcome outcome = container.Run(
      "stat -c '%u %g' /plain/file /mapped/file; "
      "touch /mapped/new 2>/dev/null && echo made; "
      "stat -c '%u %g' /mapped /plain");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  // Id 0, which makes "new", is not among the mapped ones: EOVERFLOW.
  EXPECT_EQ(outcome.output, "7 8\n20007 20008\n20000 20000\n0 0\n");
}

TEST(IdMappedBind, LeavesNoDescriptorOpen) {
  Container container;
  container.MakeDirectory("data");
  AddIdMap(container, 10000, 100);
  AddBind(container, container.HostPath("data"), "/mapped").set_id_map(1);
  Outcome outcome = container.Run("ls /proc/self/fd | wc -l");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  // 0, 1, 2 and the directory that ls reads.
  EXPECT_EQ(outcome.output, "4\n");
}

TEST(IdMappedBind, AFileSystemWithoutThemIsNamed) {
  Container container;
  AddIdMap(container, 10000, 100);
  AddBind(container, "/proc/sys/kernel", "/mapped").set_id_map(1);
  Outcome outcome = container.Run("true");
  EXPECT_THAT(outcome.start, StatusIs(absl::StatusCode::kUnimplemented,
                                      HasSubstr("no id-mapped mounts")));
  EXPECT_THAT(outcome.start.message(),
              HasSubstr("bind /proc/sys/kernel to /mapped"));
}

// The content of the layers "image0" (bottom), "image1", ... of the container.
plan::MountStep& AddImage(Container& container, int layers,
                          const std::string& target,
                          const std::string& sub_path = "") {
  plan::MountStep& step = *container.plan().add_mounts();
  step.set_kind(plan::MountStep::IMAGE);
  step.set_source("the image");
  step.set_target(target);
  step.set_sub_path(sub_path);
  const plan::OverlayPlan& rootfs = container.plan().rootfs().overlay();
  step.mutable_image()->set_layers_dir(rootfs.layers_dir());
  step.mutable_image()->set_mount_point(rootfs.mount_point());
  for (int i = layers; i-- > 0;) {
    step.mutable_image()->add_lower_dirs(absl::StrCat("image", i));
  }
  return step;
}

void MakeImageLayers(Container& container) {
  for (const char* dir : {"layers/image0", "layers/image0/d", "layers/image1",
                          "layers/image1/d"}) {
    container.MakeDirectory(dir);
  }
  container.WriteFile("layers/image0/d/file", "bottom\n");
  container.WriteFile("layers/image0/d/other", "other\n");
  container.WriteFile("layers/image1/d/file", "top\n");
  ASSERT_EQ(symlink("/d", container.HostPath("layers/image0/abs").c_str()), 0);
  ASSERT_EQ(
      symlink("../../../bin", container.HostPath("layers/image0/out").c_str()),
      0);
}

TEST(ImageMount, OneLayerOrSeveralAreReadOnly) {
  Container container;
  MakeImageLayers(container);
  AddImage(container, 1, "/one");
  AddImage(container, 2, "/two");
  Outcome outcome = container.Run(
      "cat /one/d/file /two/d/file /two/d/other; "
      "touch /one/new || touch /two/new || echo refused");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_THAT(outcome.output, HasSubstr("bottom\ntop\nother\n"));
  EXPECT_THAT(outcome.output, HasSubstr("refused\n"));
}

TEST(ImageMount, ASubPathIsResolvedInsideTheImage) {
  Container container;
  MakeImageLayers(container);
  AddImage(container, 2, "/dir", "d");
  AddImage(container, 2, "/file", "d/file");
  AddImage(container, 1, "/abs", "abs");
  Outcome outcome = container.Run("cat /dir/other /file /abs/file");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "other\ntop\nbottom\n");
  // "../../../bin" of the image is its own "bin", which it has not.
  AddImage(container, 1, "/out", "out");
  outcome = container.Run("true");
  EXPECT_THAT(outcome.start,
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("mount \"out\" of the image on /out: ")));
}

TEST(ImageMount, IdMappedLayersShowShiftedOwners) {
  Container container;
  MakeImageLayers(container);
  AddIdMap(container, 30000, 100);
  AddImage(container, 1, "/one").set_id_map(1);
  AddImage(container, 2, "/two").set_id_map(1);
  Outcome outcome =
      container.Run("stat -c %u /one/d/file /two/d/file /bin/busybox");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "30000\n30000\n0\n");
}

TEST(ImageVolume, TakesWhatTheRootfsHasBeforeAnythingIsMounted) {
  Container container;
  container.MakeDirectory("volume");
  container.MakeDirectory("empty");
  container.MakeDirectory("client");
  container.MakeDirectory("client/below");
  container.WriteFile("client/below/host", "host");
  container.MakeDirectory("layers/base/data");
  container.MakeDirectory("layers/base/data/below");
  container.WriteFile("layers/base/data/below/image", "image\n", 0640);
  ASSERT_EQ(
      chown(container.HostPath("layers/base/data/below/image").c_str(), 3, 4),
      0);
  AddBind(container, container.HostPath("client"), "/data");
  AddBind(container, container.HostPath("volume"), "/data/below")
      .set_fill_from_rootfs(true);
  AddBind(container, container.HostPath("empty"), "/none")
      .set_fill_from_rootfs(true);
  Outcome outcome = container.Run(
      "ls /data/below /none; stat -c '%a %u %g' /data/below/image");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "/data/below:\nimage\n\n/none:\n640 3 4\n");
}

// CVE-2022-23648. Seen to fail with OpenAt in FillVolume (what the host has is
// copied), and with MkdirAllAt in Bind (it is mounted elsewhere).
TEST(ImageVolume, LinksThatLeadOutAreFollowedInside) {
  Container container;
  container.MakeDirectory("volume");
  container.MakeDirectory("secret");
  container.WriteFile("secret/host", "host");
  const std::string inside =
      absl::StrCat("layers/base", container.HostPath("secret"));
  std::filesystem::create_directories(container.HostPath(inside));
  container.WriteFile(inside + "/image", "image");
  std::string out = container.HostPath("secret").substr(1);
  for (int i = 0; i < 40; ++i) out.insert(0, "../");
  ASSERT_EQ(symlink(out.c_str(), container.HostPath("layers/base/l").c_str()),
            0);
  AddBind(container, container.HostPath("volume"), "/l")
      .set_fill_from_rootfs(true);
  Outcome outcome = container.Run("ls /l; touch /l/made");
  ASSERT_TRUE(outcome.start.ok()) << outcome.start;
  EXPECT_EQ(outcome.output, "image\n");
  EXPECT_TRUE(std::filesystem::exists(container.HostPath("volume/made")));
  EXPECT_FALSE(std::filesystem::exists(container.HostPath("secret/made")));
}

TEST(ImageVolume, AFileAtItsPathIsAnError) {
  Container container;
  container.MakeDirectory("volume");
  container.WriteFile("layers/base/data", "file");
  AddBind(container, container.HostPath("volume"), "/data")
      .set_fill_from_rootfs(true);
  EXPECT_THAT(container.Run("true").start.message(),
              HasSubstr("copy what the image has at its volume /data"));
}

}  // namespace
}  // namespace gantry::init
