#include "runtime/http/url.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::http {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::Not;

TEST(Url, ParsesAndWritesBack) {
  ASSERT_OK_AND_ASSIGN(Url url,
                       ParseUrl("HTTPS://Registry.Example:5000/v2/?a=b#f"));
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "registry.example");
  EXPECT_EQ(url.port, 5000);
  EXPECT_EQ(url.target, "/v2/?a=b");
  EXPECT_EQ(url.ToString(), "https://registry.example:5000/v2/?a=b");
  ASSERT_OK_AND_ASSIGN(url, ParseUrl("http://[::1]:80"));
  EXPECT_EQ(url.ToString(), "http://[::1]/");
  ASSERT_OK_AND_ASSIGN(url, ParseUrl("http://h?q"));
  EXPECT_EQ(url.target, "/?q");
}

TEST(Url, RefusesHostileForms) {
  for (const char* text :
       {"", "h/p", "ftp://h/", "file:///etc/passwd", "http://", "http:///p",
        "http://u:p@h/", "http://h:0/", "http://h:65536/", "http://h:/",
        "http://h:+80/", "http://h\r\nX: y/", "http://h /", "http://[::1/",
        "http://[fe80::1%25eth0]/", "http://a\\b/"}) {
    EXPECT_THAT(ParseUrl(text), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(Url, ErrorFormHoldsNoSignature) {
  ASSERT_OK_AND_ASSIGN(Url url,
                       ParseUrl("https://s3/x?X-Amz-Signature=secret"));
  EXPECT_EQ(url.ForErrors(), "https://s3/x");
}

TEST(Url, ResolvesLocations) {
  ASSERT_OK_AND_ASSIGN(Url base, ParseUrl("https://h:444/a/b?x"));
  auto resolved = [&](absl::string_view location) {
    absl::StatusOr<Url> url = ResolveUrl(base, location);
    return url.ok() ? url->ToString() : std::string(url.status().message());
  };
  EXPECT_EQ(resolved("http://o/p"), "http://o/p");
  EXPECT_EQ(resolved("//o/p"), "https://o/p");
  EXPECT_EQ(resolved("/p?to=http://z"), "https://h:444/p?to=http://z");
  EXPECT_EQ(resolved("c"), "https://h:444/a/c");
  EXPECT_EQ(resolved("?y"), "https://h:444/a/b?y");
}

TEST(Url, OriginIsSchemeHostAndPort) {
  ASSERT_OK_AND_ASSIGN(Url a, ParseUrl("https://h/1"));
  ASSERT_OK_AND_ASSIGN(Url b, ParseUrl("https://H:443/2"));
  ASSERT_OK_AND_ASSIGN(Url c, ParseUrl("http://h:443/2"));
  ASSERT_OK_AND_ASSIGN(Url d, ParseUrl("https://h.evil/2"));
  EXPECT_TRUE(a.SameOrigin(b));
  EXPECT_FALSE(a.SameOrigin(c));
  EXPECT_FALSE(a.SameOrigin(d));
}

TEST(Url, LoopbackByNameOnly) {
  EXPECT_TRUE(IsLoopbackHost("localhost"));
  EXPECT_TRUE(IsLoopbackHost("127.8.0.1"));
  EXPECT_TRUE(IsLoopbackHost("[::1]"));
  EXPECT_FALSE(IsLoopbackHost("127.0.0.1.example"));
  EXPECT_FALSE(IsLoopbackHost("127.example"));
  EXPECT_FALSE(IsLoopbackHost("128.0.0.1"));
  EXPECT_FALSE(IsLoopbackHost("localhost.example"));
}

TEST(Url, NamedHostsAreWholeNamesOrDomains) {
  const std::vector<std::string> names = {"a.example", ".corp"};
  EXPECT_TRUE(IsNamedHost("A.example", names));
  EXPECT_TRUE(IsNamedHost("corp", names));
  EXPECT_TRUE(IsNamedHost("r.corp", names));
  EXPECT_FALSE(IsNamedHost("b.a.example", names));
  EXPECT_FALSE(IsNamedHost("evilcorp", names));
  EXPECT_FALSE(IsNamedHost("r.corp.example", names));
}

}  // namespace
}  // namespace gantry::http
