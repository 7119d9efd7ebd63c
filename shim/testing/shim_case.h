// What the tests of the real gantry-shim have in common: a harness each, and
// that nothing is left behind.

#ifndef GANTRY_SHIM_TESTING_SHIM_CASE_H_
#define GANTRY_SHIM_TESTING_SHIM_CASE_H_

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim::testing {

inline bool IsExited(const Envelope& event) { return event.has_exited(); }

inline Envelope SignalMessage(int signal, bool all = false) {
  Envelope request;
  request.mutable_signal_request()->set_signal(signal);
  request.mutable_signal_request()->set_all(all);
  return request;
}

class ShimTest : public ::testing::Test {
 protected:
  void SetUp() override { before_ = ReadMachineState(); }
  void TearDown() override {
    harness_.reset();
    MachineState after = ReadMachineState();
    EXPECT_EQ(after.mounts, before_.mounts);
    EXPECT_EQ(after.cgroups, before_.cgroups);
  }

  // Waits until a process with this whole command line, as busybox's ps shows
  // it behind the padded name of a user, runs in the container, or does not;
  // false if that takes more than ten seconds. Nothing tells of a process that
  // is not our child and inside another PID namespace, so it looks again.
  bool WaitForProcess(Client& client, absl::string_view command, bool runs) {
    const std::string line = absl::StrCat("  ", command, "\n");
    for (int i = 0; i < 1000; ++i) {
      absl::StatusOr<ShimHarness::ExecOutcome> list =
          harness().Exec(client, {"ps"});
      if (list.ok() && absl::StrContains(list->output, line) == runs) {
        return true;
      }
      usleep(10000);
    }
    return false;
  }

  ShimHarness& harness() { return *harness_; }
  std::unique_ptr<ShimHarness> harness_ = std::make_unique<ShimHarness>();
  MachineState before_;
};

}  // namespace gantry::shim::testing

#endif  // GANTRY_SHIM_TESTING_SHIM_CASE_H_
