#include "runtime/net/ip.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;

IpAddress Ip(absl::string_view text) { return *ParseIp(text); }
IpPrefix Prefix(absl::string_view text) { return *ParsePrefix(text); }

TEST(ParseIp, LiteralsOfBothFamiliesAndNothingElse) {
  for (const char* text : {"10.0.0.1", "0.0.0.0", "fd00::1", "::"}) {
    ASSERT_OK_AND_ASSIGN(IpAddress address, ParseIp(text));
    EXPECT_EQ(address.ToString(), text);
  }
  EXPECT_TRUE(Ip("::").IsAny());
  EXPECT_FALSE(Ip("::1").IsAny());
  for (absl::string_view text :
       {"", "10.0.0", "10.0.0.256", "010.0.0.1", "fe80::1%eth0", "host",
        "10.0.0.1 ", "[::1]"}) {
    EXPECT_THAT(ParseIp(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
  EXPECT_THAT(ParseIp(absl::string_view("10.0.0.1\0x", 10)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ParsePrefix, LengthIsWithinTheFamily) {
  EXPECT_EQ(Prefix("10.1.0.0/16").ToString(), "10.1.0.0/16");
  EXPECT_EQ(Prefix("fd00::/128").bits, 128);
  for (absl::string_view text :
       {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1",
        "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8/8", "/8"}) {
    EXPECT_THAT(ParsePrefix(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(IpPrefix, ContainsWhatSharesItsBits) {
  EXPECT_TRUE(Prefix("10.1.0.0/15").Contains(Ip("10.0.255.255")));
  EXPECT_FALSE(Prefix("10.0.0.0/15").Contains(Ip("10.2.0.0")));
  EXPECT_TRUE(Prefix("0.0.0.0/0").Contains(Ip("9.9.9.9")));
  EXPECT_FALSE(Prefix("0.0.0.0/0").Contains(Ip("::9")));
  EXPECT_TRUE(Prefix("fd00::/64").Contains(Ip("fd00::ffff")));
  EXPECT_FALSE(Prefix("fd00::/64").Contains(Ip("fd00:0:0:1::")));
}

TEST(IpPrefix, OverlapsInBothDirections) {
  EXPECT_TRUE(Prefix("10.0.0.0/8").Overlaps(Prefix("10.5.0.0/16")));
  EXPECT_TRUE(Prefix("10.5.0.0/16").Overlaps(Prefix("10.0.0.0/8")));
  EXPECT_FALSE(Prefix("10.5.0.0/16").Overlaps(Prefix("10.6.0.0/16")));
  EXPECT_FALSE(Prefix("10.5.0.0/16").Overlaps(Prefix("fd00::/8")));
}

TEST(IpPrefix, OffsetsCarryOverOctets) {
  EXPECT_EQ(Prefix("10.1.0.0/16").At(256), Ip("10.1.1.0"));
  EXPECT_EQ(Prefix("10.1.200.7/16").At(1), Ip("10.1.0.1"));
  EXPECT_EQ(Prefix("fd00::/64").At(0x1ffff), Ip("fd00::1:ffff"));
  EXPECT_THAT(Prefix("10.1.0.0/16").OffsetOf(Ip("10.1.1.0")),
              IsOkAndHolds(256u));
  EXPECT_THAT(Prefix("fd00::/64").OffsetOf(Ip("fd00::1:ffff")),
              IsOkAndHolds(0x1ffffu));
  EXPECT_THAT(Prefix("fd00::/64").OffsetOf(Ip("fd00::1:0:0")),
              StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(Prefix("10.1.0.0/16").OffsetOf(Ip("10.2.0.0")),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace gantry::net
