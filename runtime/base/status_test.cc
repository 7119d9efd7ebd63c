#include "runtime/base/status.h"

#include <errno.h>

#include <memory>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

absl::Status Fail() { return ErrnoStatus(ENOENT, "open /x"); }

absl::Status FailWithContext(int n) {
  RETURN_IF_ERROR(Fail()) << "start container " << n;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<int>> Make(bool ok) {
  if (!ok) return Fail();
  return std::make_unique<int>(7);
}

absl::StatusOr<int> Use(bool ok) {
  ASSIGN_OR_RETURN(std::unique_ptr<int> p, Make(ok), "make a number");
  ASSIGN_OR_RETURN(auto q, Make(ok));
  return *p + *q;
}

TEST(Status, ErrnoGivesCodeNameAndText) {
  EXPECT_EQ(Fail().message(), "open /x: ENOENT: No such file or directory");
  EXPECT_THAT(Fail(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ErrnoName(99999), "errno 99999");
}

TEST(Status, ContextIsPutBeforeAndErrnoIsKept) {
  absl::Status status = FailWithContext(3);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr("start container 3: open /x")));
  EXPECT_EQ(ErrnoOf(status), ENOENT);
  EXPECT_EQ(ErrnoOf(absl::InternalError("x")), 0);
}

TEST(Status, AssignOrReturnMovesTheValueOrReturns) {
  EXPECT_THAT(Use(true), IsOkAndHolds(14));
  EXPECT_THAT(Use(false), StatusIs(absl::StatusCode::kNotFound,
                                   HasSubstr("make a number: open /x")));
}

}  // namespace
}  // namespace gantry
