// Needs root: everything here happens in a mount namespace of the test's own,
// which the kernel drops with the process.

#include "runtime/sys/mount.h"

#include <errno.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mountinfo.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempDir;

class MountTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_OK(Unshare(CLONE_NEWNS));
    ASSERT_OK(Mount("", "/", "", MS_REC | MS_PRIVATE));
  }

  // The options of the uppermost mount at `path`; empty if there is none.
  std::string OptionsAt(const std::string& path) {
    const UniqueFd proc = OpenAt(AT_FDCWD, "/proc", O_PATH).value();
    std::string options;
    const std::vector<MountInfo> mounts = ReadMountinfo(proc.get()).value();
    for (const MountInfo& mount : mounts) {
      if (mount.mount_point == path) options = mount.options;
    }
    return options;
  }
  std::string In(const std::string& name) { return dir_.path() + "/" + name; }

  TempDir dir_;
};

absl::StatusOr<UniqueFd> DetachedTmpfs() {
  ASSIGN_OR_RETURN(UniqueFd fs, FsOpen("tmpfs"));
  RETURN_IF_ERROR(FsConfigString(fs.get(), "size", "64k"));
  RETURN_IF_ERROR(FsConfigCreate(fs.get()));
  return FsMount(fs.get(), MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
}

TEST_F(MountTest, ATmpfsIsMadeDetachedAndAttached) {
  ASSERT_OK(MkdirAt(dir_.fd(), "t", 0700));
  ASSERT_OK_AND_ASSIGN(UniqueFd mount, DetachedTmpfs());
  ASSERT_OK(MkdirAt(mount.get(), "inside", 0700));
  EXPECT_EQ(OptionsAt(In("t")), "");
  ASSERT_OK_AND_ASSIGN(UniqueFd target, OpenAt(dir_.fd(), "t", O_PATH));
  ASSERT_OK(AttachMount(mount.get(), target.get()));
  EXPECT_TRUE(ExistsAt(dir_.fd(), "t/inside"));
  EXPECT_THAT(OptionsAt(In("t")),
              AllOf(HasSubstr("nosuid"), HasSubstr("nodev")));
  ASSERT_OK(MountSetAttr(mount.get(), "", AT_EMPTY_PATH,
                         {.set = MOUNT_ATTR_RDONLY, .propagation = MS_SHARED}));
  EXPECT_THAT(OptionsAt(In("t")), HasSubstr("ro"));
  EXPECT_OK(Umount(In("t"), MNT_DETACH));
  EXPECT_THAT(Umount(In("t")), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(MountTest, ABadOptionCarriesTheKernelsWords) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fs, FsOpen("tmpfs"));
  EXPECT_THAT(FsConfigString(fs.get(), "nonsense", "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("set file system option nonsense=x ("),
                             HasSubstr("nknown parameter"))));
  EXPECT_EQ(ErrnoOf(FsOpen("nonsensefs").status()), ENODEV);
}

TEST_F(MountTest, ATreeIsClonedAndDroppedWithItsDescriptor) {
  ASSERT_OK(MkdirAllAt(dir_.fd(), "source/a", 0700));
  {
    ASSERT_OK_AND_ASSIGN(
        UniqueFd tree,
        OpenTree(dir_.fd(), "source", OPEN_TREE_CLONE | AT_RECURSIVE));
    EXPECT_TRUE(ExistsAt(tree.get(), "a"));
    EXPECT_EQ(fcntl(tree.get(), F_GETFD), FD_CLOEXEC);
  }
  EXPECT_THAT(OpenTree(dir_.fd(), "none", OPEN_TREE_CLONE),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST_F(MountTest, PivotRootEntersTheNewRoot) {
  ASSERT_OK(MkdirAt(dir_.fd(), "root", 0700));
  ASSERT_OK(Mount("tmpfs", In("root"), "tmpfs", 0, "size=64k"));
  ASSERT_OK(MkdirAllAt(dir_.fd(), "root/marker", 0700));
  UniqueFd pidfd;
  ASSERT_OK_AND_ASSIGN(pid_t pid,
                       Clone3({.flags = CLONE_NEWNS, .pidfd = &pidfd}));
  if (pid == 0) {
    const bool ok = chdir(In("root").c_str()) == 0 &&
                    PivotRoot(".", ".").ok() && Umount(".", MNT_DETACH).ok() &&
                    access("/marker", F_OK) == 0 && access("/proc", F_OK) != 0;
    _exit(ok ? 0 : 1);
  }
  EXPECT_THAT(WaitPidfd(pidfd.get()), IsOkAndHolds(ExitStatus{}));
  EXPECT_OK(Umount(In("root")));
}

TEST_F(MountTest, ErrorsNameSourceAndTargetButNoData) {
  const absl::Status status =
      Mount("", In("none"), "tmpfs", 0, "secret=hunter2");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("mount tmpfs on " + In("none"))));
  EXPECT_THAT(std::string(status.message()),
              ::testing::Not(HasSubstr("hunter2")));
}

TEST_F(MountTest, CloneIntoANamespaceOfItsOwn) {
  UniqueFd pidfd;
  ASSERT_OK_AND_ASSIGN(UniqueFd proc, OpenAt(AT_FDCWD, "/proc", O_PATH));
  ASSERT_OK_AND_ASSIGN(uint64_t own, NamespaceIdAt(proc.get(), 0, "uts"));
  ASSERT_OK_AND_ASSIGN(pid_t pid, Clone3({.flags = CLONE_NEWUTS | CLONE_NEWPID,
                                          .pidfd = &pidfd}));
  if (pid == 0) _exit(getpid() == 1 && sethostname("x", 1) == 0 ? 0 : 1);
  EXPECT_THAT(WaitPidfd(pidfd.get()), IsOkAndHolds(ExitStatus{}));
  EXPECT_THAT(NamespaceIdAt(proc.get(), 0, "uts"), IsOkAndHolds(own));
}

// User data has been deleted by cleanups that walked through mounts.
class RemoveTreeMountTest : public MountTest {
 protected:
  void SetUp() override {
    ASSERT_OK(MkdirAllAt(dir_.fd(), "data/sub", 0700));
    ASSERT_OK_AND_ASSIGN(
        UniqueFd fd, OpenAt(dir_.fd(), "data/sub/file", O_CREAT | O_WRONLY));
    ASSERT_OK(MkdirAllAt(dir_.fd(), "t/a/b", 0700));
  }
  void ExpectRefusedThenRemoved(const std::string& mount_point) {
    const absl::Status removed = RemoveTreeAt(dir_.fd(), "t");
    EXPECT_THAT(removed, StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("remove " + mount_point +
                                            ": is a mount point")));
    EXPECT_TRUE(ExistsAt(dir_.fd(), "data/sub/file"));
    EXPECT_OK(Umount(In(mount_point)));
    EXPECT_OK(RemoveTreeAt(dir_.fd(), "t"));
    EXPECT_FALSE(ExistsAt(dir_.fd(), "t"));
    EXPECT_TRUE(ExistsAt(dir_.fd(), "data/sub/file"));
  }
};

TEST_F(RemoveTreeMountTest, ABindMountOfTheSameFileSystemIsNotEntered) {
  ASSERT_OK(Mount(In("data"), In("t/a/b"), "", MS_BIND));
  ExpectRefusedThenRemoved("t/a/b");
}

TEST_F(RemoveTreeMountTest, AnEmptyMountIsNotEnteredEither) {
  ASSERT_OK(Mount("tmpfs", In("t/a"), "tmpfs", 0));
  ExpectRefusedThenRemoved("t/a");
}

TEST_F(RemoveTreeMountTest, TheTopMayNotBeAMount) {
  ASSERT_OK(Mount(In("data"), In("t"), "", MS_BIND));
  ExpectRefusedThenRemoved("t");
}

TEST_F(RemoveTreeMountTest, AMountOnAFileIsKept) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd,
                       OpenAt(dir_.fd(), "t/a/file", O_CREAT | O_WRONLY));
  ASSERT_OK(Mount(In("data/sub/file"), In("t/a/file"), "", MS_BIND));
  ExpectRefusedThenRemoved("t/a/file");
}

}  // namespace
}  // namespace gantry::sys
