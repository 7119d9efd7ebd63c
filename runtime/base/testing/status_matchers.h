// GoogleTest matchers for absl::Status and absl::StatusOr.

#ifndef GANTRY_RUNTIME_BASE_TESTING_STATUS_MATCHERS_H_
#define GANTRY_RUNTIME_BASE_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"

namespace gantry::testing {

MATCHER(IsOk, "is OK") {
  absl::Status status = AsStatus(arg);
  *result_listener << status.ToString();
  return status.ok();
}

// Matches the code, and the message if a matcher for it is given.
MATCHER_P2(StatusIs, code, message, "") {
  absl::Status status = AsStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         ::testing::SafeMatcherCast<std::string>(message).Matches(
             std::string(status.message()));
}
inline auto StatusIs(absl::StatusCode code) {
  return StatusIs(code, ::testing::_);
}

MATCHER_P(IsOkAndHolds, value, "") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace gantry::testing

#define ASSERT_OK(expr) ASSERT_THAT((expr), ::gantry::testing::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT((expr), ::gantry::testing::IsOk())

// ASSERT_OK_AND_ASSIGN(UniqueFd fd, Open(path));
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  GANTRY_ASSERT_ASSIGN(GANTRY_UNIQUE(gantry_status_or), lhs, expr)
#define GANTRY_ASSERT_ASSIGN(tmp, lhs, expr) \
  auto tmp = (expr);                         \
  ASSERT_TRUE(tmp.ok()) << tmp.status();     \
  lhs = *std::move(tmp)

#endif  // GANTRY_RUNTIME_BASE_TESTING_STATUS_MATCHERS_H_
