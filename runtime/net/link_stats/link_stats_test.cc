#include "runtime/net/link_stats/link_stats.h"

#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

template <typename Struct>
std::string Bytes(const Struct& part) {
  return std::string(reinterpret_cast<const char*>(&part), sizeof part);
}

std::string Padded(std::string bytes) {
  bytes.resize(NLMSG_ALIGN(bytes.size()));
  return bytes;
}

std::string Attribute(uint16_t type, const std::string& value) {
  rtattr header{};
  header.rta_len = sizeof header + value.size();
  header.rta_type = type;
  return Padded(Bytes(header) + value);
}

std::string Message(uint16_t type, const std::string& payload) {
  nlmsghdr header{};
  header.nlmsg_len = sizeof header + payload.size();
  header.nlmsg_type = type;
  return Padded(Bytes(header) + payload);
}

std::string Link(const std::string& name, const std::string& stats,
                 unsigned flags = 0) {
  ifinfomsg info{};
  info.ifi_flags = flags;
  return Message(RTM_NEWLINK, Padded(Bytes(info)) +
                                  Attribute(IFLA_IFNAME, name + '\0') +
                                  Attribute(IFLA_MTU, "abcd") +
                                  Attribute(IFLA_STATS64, stats));
}

TEST(ParseLinkStats, TakesNamesAndCounters) {
  rtnl_link_stats64 stats{};
  stats.rx_bytes = 1;
  stats.rx_packets = 2;
  stats.rx_errors = 3;
  stats.rx_dropped = 4;
  stats.tx_bytes = 5;
  stats.tx_packets = 6;
  stats.tx_errors = 7;
  stats.tx_dropped = 8;
  std::vector<LinkStats> links;
  EXPECT_THAT(ParseLinkStats(Link("lo", Bytes(rtnl_link_stats64{}),
                                  IFF_LOOPBACK | IFF_UP) +
                                 Link("eth0", Bytes(stats)),
                             links),
              IsOkAndHolds(false));
  EXPECT_THAT(ParseLinkStats(Message(NLMSG_DONE, "abcd"), links),
              IsOkAndHolds(true));
  ASSERT_EQ(links.size(), 2);
  EXPECT_EQ(links[0].name, "lo");
  EXPECT_TRUE(links[0].loopback);
  EXPECT_FALSE(links[1].loopback);
  EXPECT_EQ(links[1].name, "eth0");
  EXPECT_EQ(links[1].rx_bytes, 1);
  EXPECT_EQ(links[1].rx_packets, 2);
  EXPECT_EQ(links[1].rx_errors, 3);
  EXPECT_EQ(links[1].rx_dropped, 4);
  EXPECT_EQ(links[1].tx_bytes, 5);
  EXPECT_EQ(links[1].tx_packets, 6);
  EXPECT_EQ(links[1].tx_errors, 7);
  EXPECT_EQ(links[1].tx_dropped, 8);
}

TEST(ParseLinkStats, CountersThatAKernelLacksAreZero) {
  rtnl_link_stats64 stats{};
  stats.rx_packets = 1;
  stats.tx_packets = 2;
  std::vector<LinkStats> links;
  EXPECT_OK(ParseLinkStats(Link("a", Bytes(stats).substr(0, 16)), links));
  ASSERT_EQ(links.size(), 1);
  EXPECT_EQ(links[0].tx_packets, 2);
  EXPECT_EQ(links[0].tx_errors, 0);
}

TEST(ParseLinkStats, TheKernelsErrorIsTold) {
  nlmsgerr error{};
  error.error = -EPERM;
  std::vector<LinkStats> links;
  EXPECT_THAT(ParseLinkStats(Message(NLMSG_ERROR, Bytes(error)), links),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST(ParseLinkStats, WhatIsCutOffIsNoAnswer) {
  const std::string whole = Link("eth0", Bytes(rtnl_link_stats64{}));
  for (size_t size = sizeof(nlmsghdr); size < whole.size(); ++size) {
    std::vector<LinkStats> links;
    EXPECT_FALSE(ParseLinkStats(whole.substr(0, size), links).ok()) << size;
  }
  // An attribute that says it is longer than its message.
  std::string lying = whole;
  lying[sizeof(nlmsghdr) + sizeof(ifinfomsg)] = '\x7f';
  lying[sizeof(nlmsghdr) + sizeof(ifinfomsg) + 1] = '\x7f';
  std::vector<LinkStats> links;
  EXPECT_THAT(ParseLinkStats(lying, links),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(ReadLinkStats, FindsTheLoopbackOfThisNamespace) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  ASSERT_TRUE(socket.valid());
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(std::vector<LinkStats> links,
                         ReadLinkStats(socket.get()));
    ASSERT_FALSE(links.empty());
    EXPECT_EQ(links[0].name, "lo");
    EXPECT_TRUE(links[0].loopback);
  }
}

}  // namespace
}  // namespace gantry::net
