#include "runtime/sys/atomic_write.h"

#include <sys/stat.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::TempDir;

TEST(AtomicWrite, ReplacesContentAndSetsTheModeWhateverTheUmask) {
  TempDir dir;
  const mode_t old = umask(077);
  for (Durability durability : {Durability::kCrash, Durability::kPowerCut}) {
    EXPECT_OK(AtomicWriteAt(dir.fd(), "a", "one", 0600, durability));
    EXPECT_OK(AtomicWriteAt(dir.fd(), "a", "two", 0664, durability));
    EXPECT_THAT(ReadFileAt(dir.fd(), "a"), IsOkAndHolds("two"));
    ASSERT_OK_AND_ASSIGN(struct stat info, StatAt(dir.fd(), "a"));
    EXPECT_EQ(info.st_mode & 07777, 0664);
  }
  umask(old);
  EXPECT_THAT(ListDirAt(dir.fd(), "."), IsOkAndHolds(SizeIs(1)));
}

TEST(AtomicWrite, ASymlinkIsReplacedAndNotWrittenThrough) {
  TempDir dir;
  ASSERT_OK(AtomicWriteAt(dir.fd(), "a", "old", 0600, Durability::kCrash));
  ASSERT_OK(SymlinkAt("a", dir.fd(), "link"));
  EXPECT_OK(AtomicWriteAt(dir.fd(), "link", "new", 0600, Durability::kCrash));
  EXPECT_THAT(ReadFileAt(dir.fd(), "a"), IsOkAndHolds("old"));
  EXPECT_THAT(ReadFileAt(dir.fd(), "link"), IsOkAndHolds("new"));
}

TEST(AtomicWrite, FailureLeavesNothing) {
  TempDir dir;
  ASSERT_OK(MkdirAllAt(dir.fd(), "a/b", 0700));
  EXPECT_THAT(AtomicWriteAt(dir.fd(), "a", "x", 0600, Durability::kCrash),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("to a: EISDIR")));
  EXPECT_THAT(ListDirAt(dir.fd(), "."), IsOkAndHolds(SizeIs(1)));
  EXPECT_THAT(AtomicWriteAt(dir.fd(), "a/x", "x", 0600, Durability::kCrash),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(AtomicWriteAt(dir.fd(), "", "x", 0600, Durability::kCrash),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(AtomicWrite, AReaderSeesOneContentOrTheOther) {
  TempDir dir;
  const std::string a(50'000, 'a'), b(70'000, 'b');
  ASSERT_OK(AtomicWriteAt(dir.fd(), "f", a, 0600, Durability::kCrash));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      EXPECT_OK(AtomicWriteAt(dir.fd(), "f", i % 2 == 0 ? b : a, 0600,
                              Durability::kCrash));
    }
    done = true;
  });
  while (!done) {
    ASSERT_OK_AND_ASSIGN(const std::string seen, ReadFileAt(dir.fd(), "f"));
    ASSERT_TRUE(seen == a || seen == b);
  }
  writer.join();
}

TEST(AtomicWrite, CleanTemporariesTakesOnlyWhatAKilledWriterLeft) {
  TempDir dir;
  ASSERT_OK(AtomicWriteAt(dir.fd(), "kept", "x", 0600, Durability::kCrash));
  ASSERT_OK(AtomicWriteAt(dir.fd(), ".hidden", "x", 0600, Durability::kCrash));
  ASSERT_OK(AtomicWriteAt(dir.fd(), ".gantry-tmp-0123456789abcdef", "half",
                          0600, Durability::kCrash));
  EXPECT_OK(CleanTemporaries(dir.fd()));
  EXPECT_TRUE(ExistsAt(dir.fd(), "kept"));
  EXPECT_TRUE(ExistsAt(dir.fd(), ".hidden"));
  EXPECT_THAT(ListDirAt(dir.fd(), "."), IsOkAndHolds(SizeIs(2)));
}

}  // namespace
}  // namespace gantry::sys
