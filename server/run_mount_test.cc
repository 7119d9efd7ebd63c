#include "server/run_mount.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::server {
namespace {

constexpr absl::string_view kRoot =
    "21 1 254:0 / / rw shared:1 - ext4 /dev/a rw\n";

std::vector<sys::MountInfo> Table(absl::string_view more) {
  return sys::ParseMountinfo(absl::StrCat(kRoot, more)).value();
}

TEST(RunMount, IsFoundByItsPlaceAndItsPropagation) {
  EXPECT_EQ(FindRunMount(Table(""), "/run/gantry"), RunMount::kAbsent);
  EXPECT_EQ(
      FindRunMount(
          Table("30 21 254:0 /run/gantry /run/gantry rw - ext4 /dev/a rw\n"),
          "/run/gantry"),
      RunMount::kPrivate);
  EXPECT_EQ(
      FindRunMount(Table("30 21 254:0 /run/gantry /run/gantry rw shared:7 "
                         "- ext4 /dev/a rw\n"),
                   "/run/gantry"),
      RunMount::kShared);
  EXPECT_EQ(
      FindRunMount(Table("30 21 254:0 /run/gantry /run/gantry rw master:7 "
                         "- ext4 /dev/a rw\n"),
                   "/run/gantry"),
      RunMount::kShared);
}

TEST(RunMount, DoesNotHidePinsOfAnOlderServer) {
  const auto table = Table(
      "30 21 0:4 net:[4026532201] /run/gantry/pods/p/net rw - nsfs nsfs rw\n");
  EXPECT_EQ(FindRunMount(table, "/run/gantry"), RunMount::kHidesPins);
  EXPECT_EQ(FindRunMount(table, "/run/gan"), RunMount::kAbsent);
}

TEST(RunMount, OnlyABindOfItselfIsOurs) {
  EXPECT_TRUE(IsBindOfItself(
      Table("30 21 254:0 /run/gantry /run/gantry rw - ext4 /dev/a rw\n"),
      "/run/gantry"));
  EXPECT_FALSE(IsBindOfItself(
      Table("30 21 0:50 / /run/gantry rw - tmpfs tmpfs rw\n"), "/run/gantry"));
  EXPECT_FALSE(IsBindOfItself(Table(""), "/run/gantry"));
}

}  // namespace
}  // namespace gantry::server
