#include "server/streaming/upgrade.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::streaming {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

UpgradeOffer Spdy(std::vector<std::string> protocols) {
  return {.spdy = true, .protocols = std::move(protocols)};
}
UpgradeOffer WebSocket(std::vector<std::string> protocols) {
  return {.websocket = true, .protocols = std::move(protocols)};
}

TEST(Upgrade, TheClientsFirstKnownProtocolIsTaken) {
  ASSERT_OK_AND_ASSIGN(
      Upgrade upgrade,
      ChooseForCommand(Spdy({"v9", "v3.channel.k8s.io", "v4.channel.k8s.io"})));
  EXPECT_EQ(upgrade.protocol, "v3.channel.k8s.io");
  EXPECT_EQ(upgrade.wire, Upgrade::Wire::kSpdy);
  EXPECT_FALSE(upgrade.status_as_json);
  EXPECT_TRUE(upgrade.has_resize);
}

TEST(Upgrade, WebSocketsOfCommandsAreChannels) {
  ASSERT_OK_AND_ASSIGN(Upgrade v5,
                       ChooseForCommand(WebSocket({"v5.channel.k8s.io"})));
  EXPECT_EQ(v5.wire, Upgrade::Wire::kChannels);
  EXPECT_TRUE(v5.format.can_close);
  EXPECT_TRUE(v5.status_as_json);
  ASSERT_OK_AND_ASSIGN(
      Upgrade base64,
      ChooseForCommand(WebSocket({"v4.base64.channel.k8s.io"})));
  EXPECT_TRUE(base64.format.base64);
  EXPECT_FALSE(base64.format.can_close);
  ASSERT_OK_AND_ASSIGN(Upgrade unnamed, ChooseForCommand(WebSocket({})));
  EXPECT_EQ(unnamed.protocol, "");
  EXPECT_FALSE(unnamed.status_as_json);
}

TEST(Upgrade, PortForwardingIsTunneledOrHasChannels) {
  ASSERT_OK_AND_ASSIGN(
      Upgrade tunnel,
      ChooseForPortForward(WebSocket({"SPDY/3.1+portforward.k8s.io"})));
  EXPECT_EQ(tunnel.wire, Upgrade::Wire::kTunnel);
  ASSERT_OK_AND_ASSIGN(Upgrade channels,
                       ChooseForPortForward(WebSocket({"v4.channel.k8s.io"})));
  EXPECT_EQ(channels.wire, Upgrade::Wire::kChannels);
  ASSERT_OK_AND_ASSIGN(Upgrade spdy,
                       ChooseForPortForward(Spdy({"portforward.k8s.io"})));
  EXPECT_EQ(spdy.wire, Upgrade::Wire::kSpdy);
}

TEST(Upgrade, WithoutAnUpgradeOrACommonProtocolThereIsNone) {
  EXPECT_THAT(ChooseForCommand({}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ChooseForCommand(Spdy({})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("X-Stream-Protocol-Version")));
  EXPECT_THAT(ChooseForCommand(Spdy({"v5.channel.k8s.io"})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("v4.channel.k8s.io")));
  EXPECT_THAT(ChooseForPortForward(WebSocket({"v5.channel.k8s.io"})),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(Upgrade, ListsOfHeadersAreTakenApart) {
  std::vector<std::string> list;
  AppendListHeader(" a,b ,, c", list);
  AppendListHeader("d", list);
  AppendListHeader("", list);
  EXPECT_THAT(list, ElementsAre("a", "b", "c", "d"));
}

}  // namespace
}  // namespace gantry::streaming
