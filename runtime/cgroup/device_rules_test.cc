#include "runtime/cgroup/device_rules.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

absl::StatusOr<DevicePolicy> Policy(std::vector<DeviceRule> rules) {
  return MakeDevicePolicy(rules);
}

TEST(DevicePolicy, NothingIsAllowedWithoutARule) {
  EXPECT_THAT(Policy({}), IsOkAndHolds(DevicePolicy{false, {}}));
}

TEST(DevicePolicy, SameDeviceAddsUp) {
  EXPECT_THAT(Policy({{true, 'c', 1, 3, "r"}, {true, 'c', 1, 3, "w"}}),
              IsOkAndHolds(DevicePolicy{
                  false, {{'c', 1, 3, kAccessRead | kAccessWrite}}}));
}

TEST(DevicePolicy, BothTypesAreTwoExceptions) {
  EXPECT_THAT(
      Policy({{true, 'a', 5, -1, "m"}}),
      IsOkAndHolds(DevicePolicy{false,
                                {{'b', 5, std::nullopt, kAccessMknod},
                                 {'c', 5, std::nullopt, kAccessMknod}}}));
}

TEST(DevicePolicy, AllowAllForgetsWhatWasBefore) {
  EXPECT_THAT(Policy({{true, 'c', 1, 3, "r"}, {true, 'a'}}),
              IsOkAndHolds(DevicePolicy{true, {}}));
}

TEST(DevicePolicy, DenialAfterAllowAllIsAnException) {
  EXPECT_THAT(Policy({{true, 'a'}, {false, 'b', 8, 0, "w"}}),
              IsOkAndHolds(DevicePolicy{true, {{'b', 8, 0, kAccessWrite}}}));
}

TEST(DevicePolicy, DenialTakesWhatItCovers) {
  EXPECT_THAT(
      Policy({{true, 'c', 1, 3, "rwm"},
              {true, 'c', 1, 5, "r"},
              {true, 'c', 2, 0, "r"},
              {false, 'c', 1, std::nullopt, "rw"}}),
      IsOkAndHolds(DevicePolicy{
          false, {{'c', 1, 3, kAccessMknod}, {'c', 2, 0, kAccessRead}}}));
}

TEST(DevicePolicy, DenialOfAPartIsRefusedWithItsIndex) {
  EXPECT_THAT(
      Policy({{true, 'c', 1, std::nullopt, "rwm"}, {false, 'c', 1, 3, "w"}}),
      StatusIs(kInvalid, HasSubstr("device rule 1")));
}

TEST(DevicePolicy, MalformedRulesAreRefused) {
  EXPECT_THAT(Policy({{true, 'x'}}), StatusIs(kInvalid, HasSubstr("type")));
  EXPECT_THAT(Policy({{true, 'c', -2, 0, "r"}}),
              StatusIs(kInvalid, HasSubstr("major -2")));
  EXPECT_THAT(Policy({{true, 'c', 0, 1 << 20, "r"}}),
              StatusIs(kInvalid, HasSubstr("minor")));
  EXPECT_THAT(Policy({{true, 'c', 0, 0, "rx"}}),
              StatusIs(kInvalid, HasSubstr("access")));
  EXPECT_THAT(Policy({{true, 'c', 0, 0, ""}}), StatusIs(kInvalid));
}

}  // namespace
}  // namespace gantry::cgroup
