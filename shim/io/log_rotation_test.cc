#include "shim/io/log_rotation.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

class LogRotationTest : public ::testing::Test {
 protected:
  UniqueFd Open(const std::string& path) {
    return UniqueFd(
        open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  }
  absl::StatusOr<std::string> Content(absl::string_view suffix) {
    return sys::ReadFileAt(AT_FDCWD, absl::StrCat(rotation_.path, suffix));
  }

  sys::testing::TempDir dir_;
  const LogRotation rotation_{
      .path = absl::StrCat(dir_.path(), "/0.log"),
      .max_size = 1 << 20,
      .max_files = 4,
  };
};

TEST_F(LogRotationTest, TheNewestAreKeptInOrder) {
  UniqueFd log = Open(rotation_.path);
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(sys::WriteAll(log.get(), absl::StrCat(i)));
    ASSERT_TRUE(rotation_.IsCurrent(log.get()));
    ASSERT_OK_AND_ASSIGN(UniqueFd next, rotation_.Rotate(log.get()));
    EXPECT_FALSE(rotation_.IsCurrent(log.get()));
    log = std::move(next);
  }
  EXPECT_THAT(Content(""), IsOkAndHolds(""));
  EXPECT_THAT(Content(".1"), IsOkAndHolds("5"));
  EXPECT_THAT(Content(".2"), IsOkAndHolds("4"));
  EXPECT_THAT(Content(".3"), IsOkAndHolds("3"));
  EXPECT_THAT(Content(".4"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const struct stat made, sys::StatFd(log.get()));
  EXPECT_EQ(made.st_mode & 07777, 0640);
  EXPECT_NE(fcntl(log.get(), F_GETFL) & O_APPEND, 0);
}

TEST_F(LogRotationTest, ALogThatSomebodyElseRenamedIsLeftAlone) {
  UniqueFd log = Open(rotation_.path);
  const std::string renamed = rotation_.path + ".20260101-000000";
  ASSERT_EQ(rename(rotation_.path.c_str(), renamed.c_str()), 0);
  EXPECT_THAT(rotation_.Rotate(log.get()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  UniqueFd other = Open(rotation_.path);
  EXPECT_THAT(rotation_.Rotate(log.get()),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Content(".1"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LogRotationTest, ASymlinkIsNotFollowed) {
  const std::string elsewhere = absl::StrCat(dir_.path(), "/elsewhere");
  UniqueFd log = Open(elsewhere);
  ASSERT_EQ(symlink(elsewhere.c_str(), rotation_.path.c_str()), 0);
  EXPECT_FALSE(rotation_.IsCurrent(log.get()));
}

TEST_F(LogRotationTest, WhatFailsLeavesTheLogWhereItWas) {
  UniqueFd log = Open(rotation_.path);
  // No descriptor is to be had for the new file.
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = UniqueFd(fcntl(log.get(), F_DUPFD_CLOEXEC, 0)).get();
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const absl::Status failed = rotation_.Rotate(log.get()).status();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(ErrnoOf(failed), EMFILE) << failed;
  EXPECT_TRUE(rotation_.IsCurrent(log.get()));

  // A directory is in the way of an old file.
  ASSERT_OK(sys::MkdirAllAt(AT_FDCWD, rotation_.path + ".3/x", 0700));
  Open(rotation_.path + ".2");
  EXPECT_FALSE(rotation_.Rotate(log.get()).ok());
  EXPECT_TRUE(rotation_.IsCurrent(log.get()));
}

}  // namespace
}  // namespace gantry::shim
