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

// 0 if a file of id 1 is seen as id 100001 through a mount with this mapping;
// else the number of the step that failed.
int TryMappedMount(const std::string& top) {
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (mount("tmpfs", top.c_str(), "tmpfs", 0, nullptr) != 0) return 2;
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
    return 6;
  }
  absl::StatusOr<struct stat> seen = StatAt(tree->get(), "file");
  if (!seen.ok()) return 7;
  return seen->st_uid == 100001 && seen->st_gid == 200002 ? 0 : 8;
}

TEST(NewUserNamespace, GivesAMountItsIdMapping) {
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(pid_t pid, Clone3({.flags = CLONE_NEWNS}));
  if (pid == 0) _exit(TryMappedMount(dir.path()));
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace gantry::sys
