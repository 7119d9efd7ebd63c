#include "runtime/net/bridge/ruleset.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::net::nft {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

IpAddress Ip(absl::string_view text) { return *ParseIp(text); }

// With its zero bytes.
std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

std::string Word(uint32_t value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::vector<Rule> RulesOf(const Ruleset& set, const std::string& chain) {
  std::vector<Rule> rules;
  for (const Rule& rule : set.rules) {
    if (rule.chain == chain) rules.push_back(rule);
  }
  return rules;
}

Ruleset Sample() {
  return BuildRuleset("gantry", "gantry0",
                      {*ParsePrefix("10.5.0.0/16"), *ParsePrefix("fd00::/64")});
}

TEST(Ruleset, EveryRuleIsInAChainAndEveryMapAndJumpIsThere) {
  const Ruleset set = Sample();
  std::set<std::string> chains, maps;
  for (const Chain& chain : set.chains) chains.insert(chain.name);
  for (const Map& map : set.maps) maps.insert(map.name);
  std::set<std::string> used_maps;
  for (const Rule& rule : set.rules) {
    EXPECT_THAT(chains, Contains(rule.chain));
    for (const Expression& expression : rule.expressions) {
      if (const auto* lookup = std::get_if<Lookup>(&expression)) {
        used_maps.insert(lookup->map);
      } else if (const auto* verdict = std::get_if<Verdict>(&expression)) {
        if (verdict->kind == Verdict::kJump) {
          EXPECT_THAT(chains, Contains(verdict->chain));
        }
      }
    }
  }
  EXPECT_EQ(used_maps, maps);
}

TEST(Ruleset, HostPortsAreOfTheHostsOwnAddressesOnly) {
  const Ruleset set = Sample();
  const Rule local{"prerouting",
                   {DestinationType{}, Compare{true, Word(RTN_LOCAL)},
                    Verdict{Verdict::kJump, "ports"}}};
  // The only ways to the maps, and none before what is for loopback is let go.
  const std::vector<Rule> prerouting = RulesOf(set, "prerouting");
  ASSERT_EQ(prerouting.size(), 2u);
  EXPECT_EQ(prerouting[1], local);
  EXPECT_EQ(prerouting[0].expressions.back(),
            Expression(Verdict{Verdict::kReturn, ""}));
  Rule output = local;
  output.chain = "output";
  EXPECT_EQ(RulesOf(set, "output").back(), output);
  for (const Rule& rule : set.rules) {
    for (const Expression& expression : rule.expressions) {
      if (std::holds_alternative<Dnat>(expression)) {
        EXPECT_EQ(rule.chain, "ports");
      }
    }
  }
}

TEST(Ruleset, PodsDoNotReachTheHostsLoopback) {
  EXPECT_THAT(
      RulesOf(Sample(), "guard"),
      ElementsAre(Rule{
          "guard",
          {Meta{NFT_META_IIFNAME, 0},
           Compare{true, std::string("gantry0") + std::string(9, '\0')},
           Meta{NFT_META_NFPROTO, 0}, Compare{true, Bytes({2})},
           Payload{NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 0},
           Bits{Bytes({255, 0, 0, 0})}, Compare{true, Bytes({127, 0, 0, 0})},
           Verdict{Verdict::kDrop, ""}}}));
}

TEST(Ruleset, WhatLeavesARangeIsMasqueradedAndWhatStaysIsNot) {
  const Rule leaves{
      "postrouting",
      {Meta{NFT_META_NFPROTO, 0}, Compare{true, Bytes({2})},
       Payload{NFT_PAYLOAD_NETWORK_HEADER, 12, 4, 0},
       Bits{Bytes({255, 255, 0, 0})}, Compare{true, Bytes({10, 5, 0, 0})},
       Payload{NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 0},
       Bits{Bytes({255, 255, 0, 0})}, Compare{false, Bytes({10, 5, 0, 0})},
       Payload{NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 0},
       Bits{Bytes({240, 0, 0, 0})}, Compare{false, Bytes({224, 0, 0, 0})},
       Masquerade{}}};
  const Rule through_a_port{
      "postrouting",
      {Meta{NFT_META_NFPROTO, 0}, Compare{true, Bytes({2})},
       Payload{NFT_PAYLOAD_NETWORK_HEADER, 12, 4, 0},
       Bits{Bytes({255, 255, 0, 0})}, Compare{true, Bytes({10, 5, 0, 0})},
       Payload{NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 0},
       Bits{Bytes({255, 255, 0, 0})}, Compare{true, Bytes({10, 5, 0, 0})},
       ConntrackStatus{}, Bits{Word(IPS_DST_NAT)}, Compare{false, Word(0)},
       Masquerade{}}};
  const std::vector<Rule> rules = RulesOf(Sample(), "postrouting");
  EXPECT_EQ(rules.size(), 5u);
  EXPECT_THAT(rules, Contains(leaves));
  EXPECT_THAT(rules, Contains(through_a_port));
  EXPECT_EQ(RulesOf(BuildRuleset("t", "b", {*ParsePrefix("10.5.0.0/16")}),
                    "postrouting")
                .size(),
            3u);
}

TEST(ElementsOf, KeysAndValuesFillWords) {
  AttachedPod pod{"p", {Ip("10.5.0.7"), Ip("fd00::7")}, {}};
  pod.ports = {{Protocol::kTcp, 8080, 80, Ip("0.0.0.0")},
               {Protocol::kUdp, 53, 5353, Ip("192.0.2.1")},
               {Protocol::kSctp, 258, 1, Ip("::")}};
  const std::string six =
      Bytes({0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7});
  EXPECT_THAT(
      ElementsOf(pod),
      ElementsAre(
          Element{"ports4", Bytes({6, 0, 0, 0, 0x1f, 0x90, 0, 0}),
                  Bytes({10, 5, 0, 7, 0, 80, 0, 0})},
          Element{"ports4_at", Bytes({17, 0, 0, 0, 192, 0, 2, 1, 0, 53, 0, 0}),
                  Bytes({10, 5, 0, 7, 0x14, 0xe9, 0, 0})},
          Element{"ports6", Bytes({132, 0, 0, 0, 1, 2, 0, 0}),
                  six + Bytes({0, 1, 0, 0})}));
}

TEST(ElementsOf, APortOfAFamilyThatThePodDoesNotHaveIsNone) {
  AttachedPod pod{"p", {Ip("10.5.0.7")}, {}};
  pod.ports = {{Protocol::kTcp, 8080, 80, Ip("::")}};
  EXPECT_THAT(ElementsOf(pod), IsEmpty());
}

}  // namespace
}  // namespace gantry::net::nft
