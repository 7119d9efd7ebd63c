#include "runtime/net/bridge/address_pool.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net {
namespace {

using testing::StatusIs;

IpAddress Ip(absl::string_view text) { return *ParseIp(text); }
AddressPool Pool(absl::string_view range) {
  return AddressPool(*ParsePrefix(range));
}

std::string Taken(AddressPool& pool) {
  absl::StatusOr<IpAddress> address = pool.Take();
  return address.ok() ? address->ToString() : "none";
}

TEST(AddressPool, GivesEachOnceAndNeverTheNetworksOwn) {
  AddressPool pool = Pool("10.0.0.0/29");
  EXPECT_EQ(pool.gateway(), Ip("10.0.0.1"));
  std::set<std::string> given;
  for (int i = 0; i < 5; ++i) given.insert(Taken(pool));
  EXPECT_THAT(given, ::testing::ElementsAre("10.0.0.2", "10.0.0.3", "10.0.0.4",
                                            "10.0.0.5", "10.0.0.6"));
  EXPECT_THAT(pool.Take(), StatusIs(absl::StatusCode::kResourceExhausted,
                                    ::testing::HasSubstr("10.0.0.0/29")));
  pool.Release(Ip("10.0.0.4"));
  EXPECT_EQ(Taken(pool), "10.0.0.4");
}

TEST(AddressPool, OneGivenUpIsTheLastToBeGivenAgain) {
  AddressPool pool = Pool("10.0.0.0/29");
  EXPECT_EQ(Taken(pool), "10.0.0.2");
  pool.Release(Ip("10.0.0.2"));
  EXPECT_EQ(Taken(pool), "10.0.0.3");
  EXPECT_EQ(Taken(pool), "10.0.0.4");
  EXPECT_EQ(Taken(pool), "10.0.0.5");
  EXPECT_EQ(Taken(pool), "10.0.0.6");
  EXPECT_EQ(Taken(pool), "10.0.0.2");
}

TEST(AddressPool, WhatIsNotedIsNotGiven) {
  AddressPool pool = Pool("fd00::/64");
  pool.Note(Ip("fd00::5"));
  pool.Note(Ip("fd00::3"));
  pool.Note(Ip("fd99::7"));        // of another range
  pool.Note(Ip("10.0.0.9"));       // of another family
  pool.Note(Ip("fd00::1:0:0:0"));  // farther than any that is given
  EXPECT_EQ(pool.taken(), 2u);
  EXPECT_EQ(Taken(pool), "fd00::6");
  pool.Release(Ip("fd99::7"));
  pool.Release(Ip("fd00::9"));
  EXPECT_EQ(pool.taken(), 3u);
}

TEST(AddressPool, SmallestRangesOfEachFamily) {
  AddressPool four = Pool("10.0.0.0/30");
  EXPECT_EQ(Taken(four), "10.0.0.2");
  EXPECT_EQ(Taken(four), "none");
  AddressPool six = Pool("fd00::/126");
  EXPECT_EQ(Taken(six), "fd00::2");
  EXPECT_EQ(Taken(six), "fd00::3");
  EXPECT_EQ(Taken(six), "none");
}

}  // namespace
}  // namespace gantry::net
