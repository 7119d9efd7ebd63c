#include "server/kernel.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::server {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr char kFilesystems[] =
    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tmqueue\nnodev\tdevpts\n"
    "\text4\nnodev\toverlay\n";

void Fill(sys::testing::FakeTree& tree, const std::string& filesystems) {
  tree.Write("proc/filesystems", filesystems);
  for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "uts"}) {
    tree.Write(std::string("proc/self/ns/") + name, "");
  }
}

bool HasAll(long) { return true; }
bool HasNone(long) { return false; }

TEST(CheckKernel, EverythingThere) {
  sys::testing::FakeTree tree;
  Fill(tree, kFilesystems);
  EXPECT_OK(CheckKernel(tree.fd(), HasAll));
}

TEST(CheckKernel, NamesAllThatIsMissingAtOnce) {
  sys::testing::FakeTree tree;
  tree.Write("proc/filesystems", "nodev\ttmpfs\nnodev\tproc\n");
  EXPECT_THAT(
      CheckKernel(tree.fd(), HasNone),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               ::testing::AllOf(HasSubstr("openat2"), HasSubstr("clone3"),
                                HasSubstr("pid namespaces"),
                                HasSubstr("file system overlay"))));
}

TEST(CheckKernel, NameOfAFileSystemIsMatchedWhole) {
  sys::testing::FakeTree tree;
  Fill(tree,
       "nodev\toverlayfoo\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n"
       "nodev\tmqueue\nnodev\tdevpts\n");
  // Without fsopen, which would load the module of this machine.
  EXPECT_THAT(
      CheckKernel(tree.fd(), [](long call) { return call != SYS_fsopen; }),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("file system overlay")));
}

TEST(HasSystemCall, KnowsWhatThisKernelHas) {
  EXPECT_TRUE(HasSystemCall(SYS_openat2));
  EXPECT_TRUE(HasSystemCall(SYS_memfd_create));
  EXPECT_FALSE(HasSystemCall(100000));
}

TEST(CheckRoot, OnlyRoot) {
  EXPECT_OK(CheckRoot(0));
  EXPECT_THAT(CheckRoot(1000),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("1000")));
}

TEST(HasSelinux, IsThereWithItsFileSystem) {
  sys::testing::FakeTree tree({sys::testing::Dir("sys/fs/selinux")});
  EXPECT_FALSE(HasSelinux(tree.fd()));
  tree.Write("sys/fs/selinux/enforce", "0");
  EXPECT_TRUE(HasSelinux(tree.fd()));
}

}  // namespace
}  // namespace gantry::server
