#include "server/metrics/address.h"

#include "gtest/gtest.h"

namespace gantry::metrics {
namespace {

TEST(ParseAddress, TakesAnIpAddressAndAPort) {
  std::optional<Address> v4 = ParseAddress("127.0.0.1:9323");
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->ip, "127.0.0.1");
  EXPECT_EQ(v4->port, 9323);
  std::optional<Address> v6 = ParseAddress("[::1]:65535");
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->ip, "::1");
  EXPECT_EQ(v6->port, 65535);
}

TEST(ParseAddress, TakesNothingElse) {
  for (const char* text :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
        "127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:1s", "localhost:9323",
        "::1:9323", "[127.0.0.1]:9323", "[::1]", "[::1:9323", "[]:1",
        "[fe80::1%lo]:1", "127.0.0.1:9323,0.0.0.0:1", ":9323", "9323"}) {
    EXPECT_FALSE(ParseAddress(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace gantry::metrics
