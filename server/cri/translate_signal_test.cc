#include "server/cri/translate_signal.h"

#include <signal.h>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;

TEST(SignalFromCri, EveryValueOfTheEnumHasASignal) {
  for (int value = 0; value < runtime::v1::Signal_ARRAYSIZE; ++value) {
    EXPECT_THAT(SignalFromCri(static_cast<runtime::v1::Signal>(value), "f"),
                testing::IsOk())
        << value;
  }
}

TEST(SignalFromCri, NumbersAreTheKernels) {
  EXPECT_THAT(SignalFromCri(runtime::v1::SIGNAL_RUNTIME_DEFAULT, "f"),
              IsOkAndHolds(0));
  EXPECT_THAT(SignalFromCri(runtime::v1::SIGNAL_SIGTERM, "f"),
              IsOkAndHolds(SIGTERM));
  EXPECT_THAT(SignalFromCri(runtime::v1::SIGNAL_SIGUSR1, "f"),
              IsOkAndHolds(SIGUSR1));
  EXPECT_THAT(SignalFromCri(runtime::v1::SIGNAL_SIGCLD, "f"),
              IsOkAndHolds(SIGCHLD));
  EXPECT_THAT(SignalFromCri(runtime::v1::SIGNAL_SIGRTMINPLUS3, "f"),
              IsOkAndHolds(SIGRTMIN + 3));
  EXPECT_THAT(SignalFromCri(runtime::v1::SIGNAL_SIGRTMAXMINUS1, "f"),
              IsOkAndHolds(SIGRTMAX - 1));
}

TEST(SignalFromCri, UnknownValueNamesTheField) {
  EXPECT_THAT(SignalFromCri(static_cast<runtime::v1::Signal>(999),
                            "config.stop_signal"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr("config.stop_signal")));
}

TEST(SignalToCri, IsTheWayBack) {
  EXPECT_EQ(SignalToCri(SIGTERM), runtime::v1::SIGNAL_SIGTERM);
  EXPECT_EQ(SignalToCri(SIGKILL), runtime::v1::SIGNAL_SIGKILL);
  EXPECT_EQ(SignalToCri(SIGRTMIN + 3), runtime::v1::SIGNAL_SIGRTMINPLUS3);
  EXPECT_EQ(SignalToCri(200), runtime::v1::SIGNAL_RUNTIME_DEFAULT);
}

}  // namespace
}  // namespace gantry::cri
