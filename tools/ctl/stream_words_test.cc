// What is read from users and servers by the streaming commands.

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "tools/ctl/port_forwarder.h"
#include "tools/ctl/remote_command.h"

namespace gantry::ctl {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ExitCodeOf, SuccessAndExitCodes) {
  EXPECT_THAT(ExitCodeOf(R"({"metadata":{},"status":"Success"})"),
              IsOkAndHolds(0));
  EXPECT_THAT(
      ExitCodeOf(R"({"status":"Failure","reason":"NonZeroExitCode","details":)"
                 R"({"causes":[{"reason":"ExitCode","message":"42"}]}})"),
      IsOkAndHolds(42));
}

TEST(ExitCodeOf, OtherFailuresAreTold) {
  EXPECT_THAT(ExitCodeOf(R"({"status":"Failure","message":"no program",)"
                         R"("reason":"InternalError"})"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("no program")));
  EXPECT_THAT(ExitCodeOf(R"({"status":"Failure","reason":"NonZeroExitCode"})"),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(ExitCodeOf("{"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ParseForwardedPort, LocalAndRemote) {
  EXPECT_THAT(ParseForwardedPort("8080:80"),
              IsOkAndHolds(ForwardedPort{8080, 80}));
  EXPECT_THAT(ParseForwardedPort("80"), IsOkAndHolds(ForwardedPort{80, 80}));
  EXPECT_THAT(ParseForwardedPort(":80"), IsOkAndHolds(ForwardedPort{0, 80}));
  for (const char* text : {"", ":", "0", "65536", "80:", "x:80", "1:2:3"}) {
    EXPECT_THAT(ParseForwardedPort(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

}  // namespace
}  // namespace gantry::ctl
