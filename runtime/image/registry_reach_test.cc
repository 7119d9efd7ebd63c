#include "runtime/image/registry_reach.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ZoneOf, KnowsEveryWayToWriteAnAddress) {
  const struct {
    const char* address;
    Zone zone;
  } cases[] = {
      {"93.184.216.34", Zone::kPublic},
      {"2606:2800:220:1::1", Zone::kPublic},
      {"11.0.0.1", Zone::kPublic},
      {"172.32.0.1", Zone::kPublic},
      {"10.1.2.3", Zone::kPrivate},
      {"172.16.0.1", Zone::kPrivate},
      {"172.31.255.255", Zone::kPrivate},
      {"192.168.0.1", Zone::kPrivate},
      {"100.64.0.1", Zone::kPrivate},
      {"fd00::1", Zone::kPrivate},
      {"[fc00::1]", Zone::kPrivate},
      {"127.0.0.1", Zone::kLoopback},
      {"127.255.255.255", Zone::kLoopback},
      {"0.0.0.0", Zone::kLoopback},
      {"::", Zone::kLoopback},
      {"::1", Zone::kLoopback},
      {"[::1]", Zone::kLoopback},
      {"localhost", Zone::kLoopback},
      {"a.localhost", Zone::kLoopback},
      {"169.254.169.254", Zone::kForbidden},
      {"168.63.129.16", Zone::kForbidden},
      {"100.100.100.200", Zone::kForbidden},
      {"fe80::1%eth0", Zone::kForbidden},
      {"febf::1", Zone::kForbidden},
      {"fd00:ec2::254", Zone::kForbidden},
      {"224.0.0.1", Zone::kForbidden},
      {"255.255.255.255", Zone::kForbidden},
      {"ff02::1", Zone::kForbidden},
      // IPv4 in IPv6.
      {"::ffff:127.0.0.1", Zone::kLoopback},
      {"::ffff:a9fe:a9fe", Zone::kForbidden},
      {"::ffff:8.8.8.8", Zone::kPublic},
      {"64:ff9b::a9fe:a9fe", Zone::kForbidden},
      {"2002:7f00:1::1", Zone::kLoopback},
      // None.
      {"", Zone::kForbidden},
      {"example.com", Zone::kForbidden},
      {"127.1", Zone::kForbidden},
  };
  for (const auto& c : cases) EXPECT_EQ(ZoneOf(c.address), c.zone) << c.address;
}

class From : public http::Response {
 public:
  From(absl::string_view url, std::string peer)
      : url_(*http::ParseUrl(url)), peer_(std::move(peer)) {}
  int status() const override { return 307; }
  const http::Headers& headers() const override { return headers_; }
  const http::Url& url() const override { return url_; }
  std::string peer_address() const override { return peer_; }
  absl::StatusOr<absl::string_view> Next() override { return ""; }

 private:
  const http::Url url_;
  const std::string peer_;
  const http::Headers headers_;
};

// Whether `from` (at `peer`) may lead to `to`, which turns out to be at
// `address`.
absl::Status Lead(absl::string_view from, std::string peer,
                  absl::string_view to, absl::string_view address,
                  const std::vector<std::string>& internal_hosts = {}) {
  http::Request next;
  absl::Status status = KeepWithinReach(
      From(from, std::move(peer)), *http::ParseUrl(to), internal_hosts, &next);
  if (!status.ok() || !next.check_address) return status;
  EXPECT_NE(next.connection_group, 0);
  return next.check_address(address);
}

TEST(KeepWithinReach, NothingLeadsFurtherIn) {
  const char kPublic[] = "https://r.example/";
  EXPECT_OK(Lead(kPublic, "8.8.8.8", "https://cdn.example/", "9.9.9.9"));
  // By name, which only the address gives away.
  for (const char* address : {"10.0.0.1", "127.0.0.1", "169.254.169.254", "::1",
                              "::ffff:10.0.0.1", "fd00::1"}) {
    EXPECT_THAT(Lead(kPublic, "8.8.8.8", "https://cdn.example/", address),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         HasSubstr("cdn.example (")))
        << address;
  }
  EXPECT_OK(Lead(kPublic, "10.0.0.9", "https://cdn.example/", "10.0.0.1"));
  EXPECT_THAT(Lead(kPublic, "10.0.0.9", "https://cdn.example/", "127.0.0.1"),
              Not(IsOk()));
  EXPECT_OK(Lead("http://localhost:1/", "127.0.0.1", "http://127.0.0.1:2/",
                 "127.0.0.1"));
  EXPECT_THAT(Lead("http://localhost:1/", "127.0.0.1", "http://meta.example/",
                   "169.254.169.254"),
              Not(IsOk()));
}

TEST(KeepWithinReach, LiteralAddressesNeedNoConnection) {
  for (const char* to :
       {"https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/",
        "https://169.254.169.254/", "https://[::1]/", "https://[fe80::1]/"}) {
    http::Request next;
    EXPECT_THAT(KeepWithinReach(From("https://r.example/", ""),
                                *http::ParseUrl(to), {}, &next),
                StatusIs(absl::StatusCode::kPermissionDenied))
        << to;
  }
}

TEST(KeepWithinReach, InternalHostsMayLieAnywhere) {
  EXPECT_OK(Lead("https://r.example/", "8.8.8.8", "https://s3.corp/",
                 "10.0.0.1", {".corp"}));
  EXPECT_THAT(Lead("https://r.example/", "8.8.8.8", "https://s3.corp.example/",
                   "10.0.0.1", {".corp"}),
              Not(IsOk()));
}

TEST(KeepWithinReach, AHostMayLeadToItself) {
  EXPECT_OK(Lead("https://r.example/", "10.0.0.1", "https://r.example/x",
                 "10.0.0.1"));
}

TEST(CheckRegistryAddress, RefusesWhatNobodyMeans) {
  EXPECT_OK(CheckRegistryAddress("10.0.0.1"));
  EXPECT_OK(CheckRegistryAddress("127.0.0.1"));
  EXPECT_THAT(CheckRegistryAddress("169.254.169.254"), Not(IsOk()));
}

}  // namespace
}  // namespace gantry::image
