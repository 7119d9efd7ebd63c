// The mounts that a container's client asks for, on the real kernel: id-mapped
// binds.

#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
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

}  // namespace
}  // namespace gantry::init
