#include "runtime/sys/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

UniqueFd Proc() { return *OpenAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY); }

TEST(IdMapText, HasOneLineForEachRange) {
  const std::vector<IdRange> ranges = {{0, 100000, 65536}, {70000, 5, 1}};
  EXPECT_EQ(IdMapText(ranges), "0 100000 65536\n70000 5 1\n");
  EXPECT_EQ(IdMapText({}), "");
}

TEST(NewUserNamespace, IsAnotherOneWithoutAnyProcess) {
  UniqueFd proc = Proc();
  const std::vector<IdRange> ids = {{0, 100000, 65536}};
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, NewUserNamespace(proc.get(), ids, ids));
  ASSERT_OK_AND_ASSIGN(uint64_t own, NamespaceIdAt(proc.get(), 0, "user"));
  ASSERT_OK_AND_ASSIGN(uint64_t made, NamespaceIdOf(fd.get()));
  EXPECT_NE(made, own);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(NewUserNamespace, RangesThatOverlapAreRefusedAndLeaveNoProcess) {
  UniqueFd proc = Proc();
  const std::vector<IdRange> bad = {{0, 100000, 10}, {5, 200000, 10}};
  const std::vector<IdRange> good = {{0, 100000, 10}};
  EXPECT_THAT(NewUserNamespace(proc.get(), bad, good),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("new user namespace")));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
}

constexpr int kNotMapped = 6;

// 0 if a file of id 1 is seen as id 100001 through a mount with this mapping;
// else which step failed. `top` is the directory of the file, or covered by a
// tmpfs of it. Runs in a child with a mount namespace.
int TryMappedMount(const std::string& top, bool tmpfs) {
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (tmpfs && mount("tmpfs", top.c_str(), "tmpfs", 0, nullptr) != 0) return 2;
  const std::string file = top + "/file";
  UniqueFd made(creat(file.c_str(), 0644));
  if (!made || chown(file.c_str(), 1, 2) != 0) return 3;
  UniqueFd proc = Proc();
  const std::vector<IdRange> uids = {{0, 100000, 65536}};
  const std::vector<IdRange> gids = {{0, 200000, 65536}};
  absl::StatusOr<UniqueFd> users = NewUserNamespace(proc.get(), uids, gids);
  if (!users.ok()) return 4;
  absl::StatusOr<UniqueFd> tree = OpenTree(AT_FDCWD, top, OPEN_TREE_CLONE);
  if (!tree.ok()) return 5;
  if (!MountSetAttr(tree->get(), "", AT_EMPTY_PATH,
                    {.set = MOUNT_ATTR_IDMAP, .userns_fd = users->get()})
           .ok()) {
    return kNotMapped;
  }
  absl::StatusOr<struct stat> seen = StatAt(tree->get(), "file");
  if (!seen.ok()) return 7;
  return seen->st_uid == 100001 && seen->st_gid == 200002 ? 0 : 8;
}

int MappedMountInChild(bool tmpfs) {
  testing::TempDir dir;
  absl::StatusOr<pid_t> pid = Clone3({.flags = CLONE_NEWNS});
  if (!pid.ok()) return -1;
  if (*pid == 0) _exit(TryMappedMount(dir.path(), tmpfs));
  int status = 0;
  if (waitpid(*pid, &status, 0) != *pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

TEST(NewUserNamespace, GivesAMountItsIdMapping) {
  int failed = MappedMountInChild(/*tmpfs=*/true);
  // A tmpfs maps ids since Linux 6.3, the disk's file system maybe longer.
  if (failed == kNotMapped) failed = MappedMountInChild(/*tmpfs=*/false);
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace gantry::sys
