#include "runtime/net/bridge/port_table.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"

namespace gantry::net {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

PortMapping Map(absl::string_view host_ip, uint16_t port,
                Protocol protocol = Protocol::kTcp) {
  return {protocol, port, 80, *ParseIp(host_ip)};
}

constexpr auto kTaken = absl::StatusCode::kFailedPrecondition;

TEST(PortTable, APortIsTakenPerProtocolAndFamily) {
  PortTable table;
  ASSERT_OK(table.Take("a", {Map("0.0.0.0", 80)}));
  EXPECT_OK(table.Take("b", {Map("::", 80)}));
  EXPECT_OK(table.Take("c", {Map("0.0.0.0", 80, Protocol::kUdp)}));
  EXPECT_OK(table.Take("d", {Map("0.0.0.0", 81)}));
  EXPECT_THAT(table.Take("e", {Map("0.0.0.0", 80)}),
              StatusIs(kTaken, HasSubstr("tcp port 80 is taken by pod a")));
}

TEST(PortTable, EveryAddressCollidesWithASingleOne) {
  PortTable table;
  ASSERT_OK(table.Take("a", {Map("10.0.0.1", 80)}));
  EXPECT_OK(table.Take("b", {Map("10.0.0.2", 80)}));
  EXPECT_THAT(table.Take("c", {Map("0.0.0.0", 80)}), StatusIs(kTaken));
  EXPECT_THAT(table.Take("c", {Map("10.0.0.2", 80)}),
              StatusIs(kTaken, HasSubstr("of 10.0.0.2 is taken by pod b")));
}

TEST(PortTable, AllOrNone) {
  PortTable table;
  ASSERT_OK(table.Take("a", {Map("0.0.0.0", 80)}));
  EXPECT_THAT(table.Take("b", {Map("0.0.0.0", 79), Map("0.0.0.0", 80)}),
              StatusIs(kTaken));
  EXPECT_OK(table.Take("c", {Map("0.0.0.0", 79)}));
  table.Release("a");
  table.Release("unknown");
  EXPECT_OK(table.Take("d", {Map("0.0.0.0", 80)}));
}

TEST(IsListenedTo, TellsAListenerOfItsProtocol) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd.get(), 1), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size),
            0);
  const uint16_t port = ntohs(address.sin_port);
  EXPECT_TRUE(IsListenedTo(Map("127.0.0.1", port)));
  EXPECT_TRUE(IsListenedTo(Map("0.0.0.0", port)));
  EXPECT_FALSE(IsListenedTo(Map("127.0.0.2", port)));
  EXPECT_FALSE(IsListenedTo(Map("127.0.0.1", port, Protocol::kUdp)));
  fd.Reset();
  EXPECT_FALSE(IsListenedTo(Map("127.0.0.1", port)));
}

}  // namespace
}  // namespace gantry::net
