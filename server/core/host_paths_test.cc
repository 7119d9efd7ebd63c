#include "server/core/host_paths.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::core {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using sys::testing::Dir;
using sys::testing::FakeTree;
using sys::testing::File;
using sys::testing::Symlink;
using ::testing::AllOf;
using ::testing::HasSubstr;

spec::ContainerSpec WithMount(const std::string& host_path) {
  spec::ContainerSpec spec;
  spec.add_mounts()->set_host_path(host_path);
  spec.mutable_mounts(0)->set_container_path("/inside");
  return spec;
}

TEST(PrepareHostPaths, MakesMissingDirectoriesAndLeavesTheRestAlone) {
  FakeTree host({Dir("there", {File("file", "text")}),
                 Symlink("to_there", "there"),
                 Symlink("to_file", "there/file")});
  for (const char* path : {"/there", "/there/file", "/to_there", "/to_file",
                           "/new", "/there/a/b", "/to_there/c"}) {
    EXPECT_THAT(PrepareHostPaths(WithMount(host.path() + path)), IsOk())
        << path;
  }
  EXPECT_EQ(host.Read("there/file"), "text");
  EXPECT_TRUE(host.Exists("new/."));
  EXPECT_TRUE(host.Exists("there/a/b/."));
  EXPECT_TRUE(host.Exists("there/c/."));
}

TEST(PrepareHostPaths, NamesTheMountOfWhatCannotBeMade) {
  FakeTree host({File("file"), Symlink("nowhere", "gone/for/good")});
  EXPECT_THAT(
      PrepareHostPaths(WithMount(host.path() + "/file/below")),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr(" at /inside: "), HasSubstr("/file/below"))));
  EXPECT_THAT(PrepareHostPaths(WithMount(host.path() + "/nowhere")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(" at /inside: the host path is a symbolic "
                                 "link that leads nowhere")));
  EXPECT_FALSE(host.Exists("gone"));
}

TEST(PrepareHostPaths, PropagationNeedsAMountThatTakesPart) {
  // procfs of a test's sandbox or of a host is shared, slave or neither: what
  // is shared will do for both, what is a slave for one.
  spec::ContainerSpec both = WithMount("/proc");
  both.mutable_mounts(0)->set_propagation(spec::BIDIRECTIONAL);
  spec::ContainerSpec one = WithMount("/proc");
  one.mutable_mounts(0)->set_propagation(spec::HOST_TO_CONTAINER);
  const absl::Status two_ways = PrepareHostPaths(both);
  const absl::Status one_way = PrepareHostPaths(one);
  if (two_ways.ok()) {
    EXPECT_THAT(one_way, IsOk());
  } else {
    EXPECT_THAT(two_ways, StatusIs(absl::StatusCode::kFailedPrecondition,
                                   HasSubstr("shared mount, which /proc")));
  }
}

}  // namespace
}  // namespace gantry::core
