#include "server/core/signals.h"

#include <signal.h>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::core {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

TEST(ParseSignal, TakesNamesAbbreviationsAndNumbers) {
  EXPECT_THAT(ParseSignal("SIGTERM"), IsOkAndHolds(SIGTERM));
  EXPECT_THAT(ParseSignal("quit"), IsOkAndHolds(SIGQUIT));
  EXPECT_THAT(ParseSignal("9"), IsOkAndHolds(SIGKILL));
  EXPECT_THAT(ParseSignal("RTMIN"), IsOkAndHolds(SIGRTMIN));
  EXPECT_THAT(ParseSignal("SIGRTMIN+3"), IsOkAndHolds(SIGRTMIN + 3));
  EXPECT_THAT(ParseSignal("SIGRTMAX-1"), IsOkAndHolds(SIGRTMAX - 1));
}

TEST(ParseSignal, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "-1", "65", "SIG", "FOO", "RTMIN+99",
                           "RTMAX+1", "15x", "SIGSIGTERM"}) {
    EXPECT_THAT(ParseSignal(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

}  // namespace
}  // namespace gantry::core
