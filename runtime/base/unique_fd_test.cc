#include "runtime/base/unique_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace gantry {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }
int NewFd() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesAtTheEndOfItsLife) {
  int fd = NewFd();
  { UniqueFd owner(fd); }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFd, AssignmentClosesWhatWasHeld) {
  int first = NewFd(), second = NewFd();
  UniqueFd owner(first);
  owner = UniqueFd(second);
  EXPECT_FALSE(IsOpen(first));
  EXPECT_TRUE(IsOpen(second));
  EXPECT_EQ(owner.get(), second);
}

TEST(UniqueFd, ReleaseGivesTheDescriptorAway) {
  int fd = NewFd();
  {
    UniqueFd owner(fd);
    EXPECT_EQ(owner.Release(), fd);
    EXPECT_FALSE(owner.valid());
  }
  EXPECT_TRUE(IsOpen(fd));
  close(fd);
}

TEST(UniqueFd, SelfMoveKeepsTheDescriptorAndErrnoSurvivesReset) {
  UniqueFd owner(NewFd());
  UniqueFd& same = owner;
  owner = std::move(same);
  EXPECT_TRUE(owner.valid());
  EXPECT_TRUE(IsOpen(owner.get()));
  errno = ENOENT;
  owner.Reset();
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace gantry
