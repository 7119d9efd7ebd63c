#include "runtime/sys/lock_file.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::StatusIs;
using testing::TempDir;

TEST(LockFile, TheSecondIsToldWhoHoldsIt) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(UniqueFd held, LockFileAt(dir.fd(), "lock"));
  // flock(2) belongs to the open file, so one process can stand for two.
  EXPECT_THAT(LockFileAt(dir.fd(), "lock"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("lock lock: held by process ", getpid())));
}

TEST(LockFile, IsFreeAfterItsHolderIsGone) {
  TempDir dir;
  { ASSERT_OK(LockFileAt(dir.fd(), "lock")); }
  EXPECT_OK(LockFileAt(dir.fd(), "lock"));
}

TEST(LockFile, ADirectoryThatIsMissingIsSaid) {
  TempDir dir;
  EXPECT_THAT(LockFileAt(dir.fd(), "none/lock"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace gantry::sys
