#include "server/cgroup_driver.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::server {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

const absl::StatusOr<std::string> kDebian = std::string("252.38-1~deb12u1");
const absl::StatusOr<std::string> kNone =
    absl::UnavailableError("systemd is not init");

TEST(CgroupDriverTest, AutoIsSystemdWhereItCanBe) {
  ASSERT_OK_AND_ASSIGN(CgroupDriver driver,
                       ChooseCgroupDriver("auto", "v2", kDebian));
  EXPECT_TRUE(driver.systemd);
  EXPECT_EQ(driver.name(), "systemd");
  EXPECT_THAT(driver.reason, HasSubstr("252.38"));
}

TEST(CgroupDriverTest, AutoIsCgroupfsElsewhereAndSaysWhy) {
  struct Case {
    const char* mode;
    absl::StatusOr<std::string> version;
    const char* reason;
  };
  for (const Case& c :
       {Case{"v2", kNone, "systemd is not init"},
        Case{"hybrid", kDebian, "hybrid"}, Case{"v1", kDebian, "v1"},
        Case{"v2", std::string("243"), "older than 244"},
        Case{"v2", std::string("v"), "older than 244"}}) {
    ASSERT_OK_AND_ASSIGN(CgroupDriver driver,
                         ChooseCgroupDriver("auto", c.mode, c.version));
    EXPECT_FALSE(driver.systemd);
    EXPECT_EQ(driver.name(), "cgroupfs");
    EXPECT_THAT(driver.reason, HasSubstr(c.reason));
  }
}

TEST(CgroupDriverTest, WhatIsConfiguredIsUsedOrTheStartFails) {
  ASSERT_OK_AND_ASSIGN(CgroupDriver driver,
                       ChooseCgroupDriver("cgroupfs", "v2", kDebian));
  EXPECT_FALSE(driver.systemd);
  ASSERT_OK_AND_ASSIGN(driver, ChooseCgroupDriver("systemd", "v2", kDebian));
  EXPECT_TRUE(driver.systemd);
  EXPECT_THAT(ChooseCgroupDriver("systemd", "v2", kNone),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("systemd is not init")));
  EXPECT_THAT(ChooseCgroupDriver("systemd", "hybrid", kDebian),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(CgroupDriverTest, SystemdIsKnownByItsDirectory) {
  const sys::testing::FakeTree without({sys::testing::Dir("run/systemd")});
  EXPECT_FALSE(HasSystemd(without.fd()));
  const sys::testing::FakeTree with({sys::testing::Dir("run/systemd/system")});
  EXPECT_TRUE(HasSystemd(with.fd()));
}

}  // namespace
}  // namespace gantry::server
