#include "runtime/cgroup/v1/devices.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cgroup::v1 {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const DevicePolicy kAllowAll = {true, {}};
const DevicePolicy kNull = {false, {{'c', 1, 3, kAccessAll}}};

TEST(DevicesList, IsParsed) {
  EXPECT_THAT(ParseDevicesList("a *:* rwm\n"), IsOkAndHolds(kAllowAll));
  EXPECT_THAT(ParseDevicesList(""), IsOkAndHolds(DevicePolicy{}));
  EXPECT_THAT(ParseDevicesList("c 1:3 rwm\nb *:* m\n"),
              IsOkAndHolds(DevicePolicy{
                  false,
                  {{'c', 1, 3, kAccessAll},
                   {'b', std::nullopt, std::nullopt, kAccessMknod}}}));
  EXPECT_THAT(ParseDevicesList("c 1 rwm\n"),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(DeviceWrites, FreshCgroupIsClosedBeforeItIsOpened) {
  EXPECT_THAT(DeviceWrites(kAllowAll, kNull),
              ElementsAre(FileWrite{"devices.deny", "a"},
                          FileWrite{"devices.allow", "c 1:3 rwm"}));
}

TEST(DeviceWrites, ChangeTouchesOnlyTheDifference) {
  const DevicePolicy now = {false,
                            {{'c', 1, 3, kAccessAll}, {'c', 1, 5, kAccessAll}}};
  const DevicePolicy wanted = {
      false, {{'c', 1, 3, kAccessRead}, {'b', 8, std::nullopt, kAccessRead}}};
  EXPECT_THAT(DeviceWrites(now, wanted),
              ElementsAre(FileWrite{"devices.deny", "c 1:3 wm"},
                          FileWrite{"devices.deny", "c 1:5 rwm"},
                          FileWrite{"devices.allow", "b 8:* r"}));
  EXPECT_THAT(DeviceWrites(kNull, kNull), IsEmpty());
}

TEST(DeviceWrites, AllowAllTakesItsDenialsAfterwards) {
  EXPECT_THAT(DeviceWrites(kNull, {true, {{'b', 8, 0, kAccessWrite}}}),
              ElementsAre(FileWrite{"devices.allow", "a"},
                          FileWrite{"devices.deny", "b 8:0 w"}));
}

}  // namespace
}  // namespace gantry::cgroup::v1
