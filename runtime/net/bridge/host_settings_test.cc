#include "runtime/net/bridge/host_settings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::net {
namespace {

using testing::StatusIs;

class HostSettingsTest : public ::testing::Test {
 protected:
  HostSettingsTest() {
    tree_.Write("net/ipv4/ip_forward", "0\n");
    for (const char* key : {"forwarding", "route_localnet"}) {
      tree_.Write(std::string("net/ipv4/conf/br/") + key, "0\n");
    }
    tree_.Write("net/ipv4/conf/br/send_redirects", "1\n");
  }
  void AddIpv6(const char* forwarding) {
    tree_.Write("net/ipv6/conf/all/forwarding", forwarding);
    tree_.Write("net/ipv6/conf/all/accept_ra", "1\n");
    tree_.Write("net/ipv6/conf/eth0/accept_ra", "1\n");
    tree_.Write("net/ipv6/conf/eth1/accept_ra", "0\n");
    tree_.Write("net/ipv6/conf/br/accept_ra", "1\n");
    tree_.Write("net/ipv6/conf/br/forwarding", "0\n");
    tree_.Write("net/ipv6/conf/br/accept_dad", "1\n");
    tree_.Write("net/ipv6/conf/br/disable_ipv6", "1\n");
  }
  std::string Value(const std::string& path) {
    absl::StatusOr<std::string> value = sys::ReadFileAt(tree_.fd(), path);
    return value.ok() ? value->substr(0, 1) : "none";
  }

  sys::testing::FakeTree tree_;
};

TEST_F(HostSettingsTest, Ipv4AloneNeedsNoIpv6) {
  EXPECT_FALSE(HasIpv6(tree_.fd()));
  ASSERT_OK(SetHostSettings(tree_.fd(), "br", true, false));
  EXPECT_EQ(Value("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(Value("net/ipv4/conf/br/route_localnet"), "1");
  EXPECT_EQ(Value("net/ipv4/conf/br/send_redirects"), "0");
  EXPECT_THAT(SetHostSettings(tree_.fd(), "br", true, true),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(HostSettingsTest, AHostThatTakesRouterAdvertisementsGoesOnDoingSo) {
  AddIpv6("0\n");
  EXPECT_TRUE(HasIpv6(tree_.fd()));
  ASSERT_OK(SetHostSettings(tree_.fd(), "br", true, true));
  EXPECT_EQ(Value("net/ipv6/conf/all/forwarding"), "1");
  EXPECT_EQ(Value("net/ipv6/conf/eth0/accept_ra"), "2");
  EXPECT_EQ(Value("net/ipv6/conf/eth1/accept_ra"), "0");
  EXPECT_EQ(Value("net/ipv6/conf/all/accept_ra"), "1");
  EXPECT_EQ(Value("net/ipv6/conf/br/accept_ra"), "0");
  EXPECT_EQ(Value("net/ipv6/conf/br/accept_dad"), "0");
  EXPECT_EQ(Value("net/ipv6/conf/br/disable_ipv6"), "0");
}

TEST_F(HostSettingsTest, AHostThatForwardsAlreadyIsLeftAlone) {
  AddIpv6("1\n");
  ASSERT_OK(SetHostSettings(tree_.fd(), "br", true, true));
  EXPECT_EQ(Value("net/ipv6/conf/eth0/accept_ra"), "1");
  EXPECT_EQ(Value("net/ipv6/conf/br/accept_ra"), "0");
}

}  // namespace
}  // namespace gantry::net
