#include "runtime/sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

void ExpectSealed(int fd) {
  EXPECT_EQ(pwrite(fd, "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(fd, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(fd, 1 << 20), -1);
  EXPECT_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
  EXPECT_EQ(mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
}

TEST(Memfd, HoldsItsDataAndCannotBeChanged) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, SealedMemfd("test", "content"));
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  ExpectSealed(fd.get());
  EXPECT_THAT(ReadFd(fd.get()), IsOkAndHolds("content"));
}

TEST(Memfd, EmptyIsFine) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, SealedMemfd("test", ""));
  EXPECT_THAT(ReadFd(fd.get()), IsOkAndHolds(""));
}

TEST(Memfd, CopyTakesTheWholeFileWhateverItsOffset) {
  ASSERT_OK_AND_ASSIGN(UniqueFd file, OpenAt(AT_FDCWD, "/bin/sh", O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const std::string content, ReadFd(file.get(), 64 << 20));
  ASSERT_OK_AND_ASSIGN(UniqueFd copy, SealedCopy("sh", file.get()));
  ExpectSealed(copy.get());
  EXPECT_TRUE(ReadFd(copy.get(), 64 << 20).value() == content);
}

TEST(Memfd, OnlyRegularFilesAreCopied) {
  ASSERT_OK_AND_ASSIGN(UniqueFd file, OpenAt(AT_FDCWD, "/dev/zero", O_RDONLY));
  EXPECT_THAT(SealedCopy("x", file.get()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace gantry::sys
