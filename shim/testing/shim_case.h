// What the tests of the real gantry-shim have in common: a harness each, and
// that nothing is left behind.

#ifndef GANTRY_SHIM_TESTING_SHIM_CASE_H_
#define GANTRY_SHIM_TESTING_SHIM_CASE_H_

#include <memory>

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

  ShimHarness& harness() { return *harness_; }
  std::unique_ptr<ShimHarness> harness_ = std::make_unique<ShimHarness>();
  MachineState before_;
};

}  // namespace gantry::shim::testing

#endif  // GANTRY_SHIM_TESTING_SHIM_CASE_H_
