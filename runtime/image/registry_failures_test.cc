#include "runtime/image/registry_failures.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;

absl::Duration After(const char* retry_after, const char* date = "") {
  http::Headers headers;
  headers.Add("Retry-After", retry_after);
  if (*date != '\0') headers.Add("Date", date);
  // Wed, 21 Oct 2015 07:28:00 GMT
  return RetryAfter(headers, absl::FromUnixSeconds(1445412480));
}

TEST(RetryAfter, IsSecondsOrADate) {
  EXPECT_EQ(RetryAfter({}, absl::UnixEpoch()), absl::ZeroDuration());
  EXPECT_EQ(After("7"), absl::Seconds(7));
  EXPECT_EQ(After("Wed, 21 Oct 2015 07:28:09 GMT"), absl::Seconds(9));
  // The registry's clock, if it tells it.
  EXPECT_EQ(
      After("Wed, 21 Oct 2015 08:00:05 GMT", "Wed, 21 Oct 2015 08:00:00 GMT"),
      absl::Seconds(5));
}

TEST(RetryAfter, IsBounded) {
  EXPECT_EQ(After("3600"), absl::Minutes(1));
  EXPECT_EQ(After("999999999999999"), absl::Minutes(1));
  EXPECT_EQ(After("Thu, 21 Oct 2099 07:28:00 GMT"), absl::Minutes(1));
  EXPECT_EQ(After("Wed, 21 Oct 2015 07:00:00 GMT"), absl::ZeroDuration());
  for (const char* text : {"-5", "soon", "", "1.5", "99999999999999999999999",
                           "Wed, 21 Oct 2015 07:28:09"}) {
    EXPECT_EQ(After(text), absl::ZeroDuration()) << text;
  }
}

TEST(WaitToRetry, DoublesUpToItsBound) {
  RegistryOptions options;
  absl::Duration slept;
  options.sleep = [&](absl::Duration time) { slept += time; };
  auto wait = [&](int failures, absl::Duration at_least) {
    slept = absl::ZeroDuration();
    EXPECT_OK(WaitToRetry(options, failures, at_least, nullptr));
    return slept;
  };
  EXPECT_EQ(wait(1, absl::ZeroDuration()), absl::Milliseconds(250));
  EXPECT_EQ(wait(3, absl::ZeroDuration()), absl::Seconds(1));
  EXPECT_EQ(wait(1000, absl::ZeroDuration()), absl::Seconds(10));
  EXPECT_EQ(wait(1, absl::Seconds(30)), absl::Seconds(30));
  EXPECT_THAT(WaitToRetry(options, 1, absl::Minutes(1), [] { return true; }),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace gantry::image
