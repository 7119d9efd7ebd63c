#include "runtime/sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pipe.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

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

// A memfd of one page that a pipe holds, until it is read.
class HeldMemfd : public ::testing::Test {
 protected:
  void SetUp() override {
    fd_.Reset(memfd_create("held", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_GE(fd_.get(), 0) << strerror(errno);
    ASSERT_OK(WriteAll(fd_.get(), "content"));
    ASSERT_OK_AND_ASSIGN(pipe_, MakePipe());
    loff_t offset = 0;
    ASSERT_EQ(splice(fd_.get(), &offset, pipe_.write.get(), nullptr, 7, 0), 7)
        << strerror(errno);
  }

  UniqueFd fd_;
  Pipe pipe_;
};

TEST_F(HeldMemfd, IsSealedWhenItsPageIsReleased) {
  std::thread reader([this] {
    // Longer than the kernel waits by itself.
    absl::SleepFor(absl::Milliseconds(300));
    char buffer[7];
    EXPECT_EQ(read(pipe_.read.get(), buffer, sizeof buffer), 7);
  });
  EXPECT_OK(SealMemfd(fd_.get(), "held"));
  reader.join();
  ExpectSealed(fd_.get());
}

TEST_F(HeldMemfd, IsGivenUpWhenItsPageStaysHeld) {
  EXPECT_THAT(SealMemfd(fd_.get(), "held").message(),
              HasSubstr("seal memfd held: EBUSY"));
  EXPECT_EQ(fcntl(fd_.get(), F_GET_SEALS), 0);
}

}  // namespace
}  // namespace gantry::sys
