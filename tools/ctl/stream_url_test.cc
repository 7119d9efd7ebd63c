#include "tools/ctl/stream_url.h"

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::ctl {
namespace {

using ::gantry::testing::StatusIs;

TEST(StreamUrl, HostPortAndPathAreTakenApart) {
  ASSERT_OK_AND_ASSIGN(StreamUrl ipv4,
                       ParseStreamUrl("http://127.0.0.1:8080/exec/abc"));
  EXPECT_EQ(ipv4.host, "127.0.0.1");
  EXPECT_EQ(ipv4.port, "8080");
  EXPECT_EQ(ipv4.path, "/exec/abc");
  EXPECT_EQ(ipv4.authority, "127.0.0.1:8080");
  ASSERT_OK_AND_ASSIGN(StreamUrl ipv6,
                       ParseStreamUrl("http://[::1]:80/attach/x"));
  EXPECT_EQ(ipv6.host, "::1");
  EXPECT_EQ(ipv6.authority, "[::1]:80");
}

TEST(StreamUrl, OthersCannotBeUsed) {
  EXPECT_THAT(ParseStreamUrl("https://h:1/x"),
              StatusIs(absl::StatusCode::kUnimplemented));
  for (const char* url : {"", "h:1/x", "http://h/x", "http://h:/x",
                          "http://h:1", "http://:1/x", "http://[::1:1/x"}) {
    EXPECT_THAT(ParseStreamUrl(url),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << url;
  }
}

}  // namespace
}  // namespace gantry::ctl
