// The attribute can be set without SELinux in the kernel, by root.

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"
#include "shim/init/relabel.h"

namespace gantry::init {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kLabel[] = "system_u:object_r:container_file_t:s0:c1,c2";

std::string LabelOf(const std::string& path) {
  char value[256] = {};
  const ssize_t size =
      lgetxattr(path.c_str(), "security.selinux", value, sizeof(value));
  return size < 0 ? "none" : std::string(value, size);
}

TEST(Relabel, TheWholeTreeAndNothingThatALinkPointsTo) {
  using sys::testing::Dir;
  using sys::testing::File;
  using sys::testing::Symlink;
  sys::testing::FakeTree tree({
      Dir("volume",
          {Dir("dir", {File("deep", "x")}), File("file", "x"),
           Symlink("link", "../outside"), Symlink("dirlink", "../outdir")}),
      File("outside", "x"),
      Dir("outdir", {File("below", "x")}),
  });
  const std::string top = tree.path();
  ASSERT_EQ(mkfifo((top + "/volume/fifo").c_str(), 0600), 0);
  ASSERT_THAT(Relabel(top + "/volume", kLabel), IsOk());
  for (const char* path :
       {"/volume", "/volume/dir", "/volume/dir/deep", "/volume/file",
        "/volume/link", "/volume/dirlink", "/volume/fifo"}) {
    EXPECT_EQ(LabelOf(top + path), kLabel) << path;
  }
  for (const char* path : {"/outside", "/outdir", "/outdir/below", ""}) {
    EXPECT_EQ(LabelOf(top + path), "none") << path;
  }
}

TEST(Relabel, AFileAlone) {
  sys::testing::FakeTree tree({sys::testing::File("file", "x")});
  ASSERT_THAT(Relabel(tree.path() + "/file", kLabel), IsOk());
  EXPECT_EQ(LabelOf(tree.path() + "/file"), kLabel);
  EXPECT_EQ(LabelOf(tree.path()), "none");
}

TEST(Relabel, WhatIsMissingIsNamed) {
  EXPECT_THAT(Relabel("/no/such/volume", kLabel),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such")));
}

// CVE-2021-43816. Seen to fail without CheckNotTheHosts.
TEST(Relabel, TheHostsOwnAreRefusedByAnyName) {
  sys::testing::FakeTree tree(
      {sys::testing::Symlink("link", "/etc"), sys::testing::Dir("dir")});
  for (const std::string& path : std::vector<std::string>{
           "/etc", "/etc/", "/etc/../etc/passwd", "/usr/../",
           tree.path() + "/link", tree.path() + "/link/passwd"}) {
    EXPECT_THAT(
        Relabel(path, kLabel),
        StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("of the host")))
        << path;
  }
  EXPECT_EQ(LabelOf("/etc"), "none");
}

}  // namespace
}  // namespace gantry::init
