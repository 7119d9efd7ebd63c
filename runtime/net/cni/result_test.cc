#include "runtime/net/cni/result.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::net::cni {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<Result> Parsed(absl::string_view text,
                              Version version = kVersion100) {
  return ParseResult(text, version, "eth0", "r");
}

IpAddress Ip(const char* text) { return *ParseIp(text); }

TEST(ParseResult, ThePodsAddressesAreThoseOfItsInterface) {
  ASSERT_OK_AND_ASSIGN(Result result, Parsed(R"({
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "cni0", "mac": "00:11:22:33:44:55"},
                   {"name": "veth1"},
                   {"name": "eth0", "sandbox": "/run/x/net"},
                   {"name": "net1", "sandbox": "/run/x/net"}],
    "ips": [{"address": "10.9.0.1/16", "interface": 0},
            {"address": "fd00::5/64", "interface": 2},
            {"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 2},
            {"address": "10.7.0.5/16", "interface": 3}],
    "routes": [{"dst": "0.0.0.0/0"}], "dns": {}})"));
  EXPECT_THAT(result.ips, ElementsAre(Ip("10.1.0.5"), Ip("fd00::5")));
  EXPECT_THAT(result.json, HasSubstr(R"("routes":[{"dst":"0.0.0.0/0"}])"));
}

TEST(ParseResult, AddressesOfNoInterfaceAreThePods) {
  ASSERT_OK_AND_ASSIGN(Result result,
                       Parsed(R"({"ips": [{"address": "10.1.0.5/16"}]})"));
  EXPECT_THAT(result.ips, ElementsAre(Ip("10.1.0.5")));
  EXPECT_THAT(result.json, HasSubstr(R"("cniVersion":"1.0.0")"));
}

TEST(ParseResult, LoopbackReachesNoPod) {
  ASSERT_OK_AND_ASSIGN(Result result, Parsed(R"({
    "interfaces": [{"name": "lo", "sandbox": "/n"}],
    "ips": [{"address": "127.0.0.1/8", "interface": 0}]})"));
  EXPECT_THAT(result.ips, IsEmpty());
}

TEST(ParseResult, ReadsWhatOldVersionsSay) {
  ASSERT_OK_AND_ASSIGN(Result result, Parsed(R"({"cniVersion": "0.3.1",
                 "ips": [{"version": "4", "address": "10.1.0.5/16"}]})",
                                             {0, 3, 1}));
  EXPECT_THAT(result.ips, ElementsAre(Ip("10.1.0.5")));
  ASSERT_OK_AND_ASSIGN(
      result, Parsed(R"({"ip4": {"ip": "10.1.0.5/16", "gateway": "10.1.0.1"},
                         "ip6": {"ip": "fd00::5/64"}})",
                     kVersion020));
  EXPECT_THAT(result.ips, ElementsAre(Ip("10.1.0.5"), Ip("fd00::5")));
}

TEST(ParseResult, NothingInItIsBelieved) {
  const std::pair<std::string, const char*> kBad[] = {
      {"", "r: not valid JSON"},
      {"garbage", "r: not valid JSON"},
      {"[]", "r: expected an object"},
      {R"({"cniVersion": "9.0.0"})", "r: CNI version \"9.0.0\""},
      {R"({"cniVersion": 1})", "r: cniVersion: expected a string"},
      {R"({"ips": {}})", "r: ips: expected an array"},
      {R"({"ips": [{"address": "10.0.0.300/8"}]})",
       "r: ips[0]: address: expected an address such as"},
      {R"({"ips": [{"address": "10.0.0.3/33"}]})", "ips[0]: address"},
      {R"({"ips": [{"address": "10.0.0.3"}]})", "ips[0]: address"},
      {R"({"ips": [{"address": "0.0.0.0/0"}]})", "nobody's"},
      {R"({"ips": [{"address": 7}]})", "address: expected a string"},
      {R"({"ips": [{}]})", "ips[0]: address"},
      {R"({"ips": [{"address": "10.0.0.3/8", "gateway": "x"}]})",
       "ips[0]: gateway"},
      {R"({"ips": [{"address": "10.0.0.3/8", "interface": 0}]})",
       "there is no interface 0"},
      {R"({"ips": [{"address": "10.0.0.3/8", "interface": 1e99}]})",
       "interface: expected an integer"},
      {R"({"ips": [{"address": "10.0.0.3/8",
                    "interface": 99999999999999999999}]})",
       "interface"},
      {R"({"interfaces": [{"name": "a/b"}]})",
       "r: interfaces[0]: interface name \"a/b\""},
      {R"({"interfaces": [{}]})", "interface name \"\""},
      {R"({"interfaces": [{"name": "eth0", "sandbox": 3}]})",
       "sandbox: expected a string"},
      {absl::StrCat(R"({"ips": )", std::string(100, '[')), "nested deeper"},
  };
  for (const auto& [text, message] : kBad) {
    const absl::Status status = Parsed(text).status();
    EXPECT_FALSE(status.ok()) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

TEST(ParseResult, HasAnEndToAddresses) {
  std::string text = R"({"ips": [)";
  for (int i = 0; i < 65; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", R"({"address": "10.0.0.3/8"})");
  }
  EXPECT_THAT(Parsed(text + "]}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than 64 addresses")));
}

TEST(ParsePluginError, TellsCodeAndMessage) {
  std::optional<PluginError> error = ParsePluginError(
      R"({"cniVersion": "1.0.0", "code": 11, "msg": "busy\nnow",
          "details": "more"})");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, kTryAgainLater);
  EXPECT_EQ(error->message, "busy now: more");
  error = ParsePluginError(R"({"code": 99999999999, "msg": "x"})");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, INT32_MAX);
  for (const char* text :
       {"", "garbage", "[]", "{}", R"({"code": "7", "msg": "x"})",
        R"({"code": 7, "msg": 3})"}) {
    EXPECT_FALSE(ParsePluginError(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace gantry::net::cni
