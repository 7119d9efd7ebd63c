#include "runtime/image/registry_hosts.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class RegistryHostsTest : public ::testing::Test {
 protected:
  RegistryHostsTest() { options_.config_paths = {dir_.path()}; }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = dir_.path() + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  // Each host as "scheme://host:port/root", with its abilities and marks.
  std::vector<std::string> Hosts(absl::string_view domain) {
    absl::StatusOr<std::vector<RegistryHost>> hosts = HostsOf(domain, options_);
    if (!hosts.ok()) return {std::string(hosts.status().message())};
    std::vector<std::string> out;
    for (const RegistryHost& host : *hosts) {
      out.push_back(absl::StrCat(
          host.root.ToString(), host.may_resolve ? " resolve" : "",
          host.may_pull ? " pull" : "", host.is_named ? " named" : ""));
    }
    return out;
  }
  absl::StatusOr<ParsedHosts> Parse(absl::string_view text,
                                    absl::string_view domain = "r.example") {
    return ParseHostsFile(text, "/etc/certs.d/x", domain, options_);
  }

  sys::testing::TempDir dir_;
  RegistryOptions options_;
};

TEST_F(RegistryHostsTest, WithoutSettingsTheRegistryStandsForItself) {
  EXPECT_THAT(Hosts("r.example"),
              ElementsAre("https://r.example/v2 resolve pull named"));
  EXPECT_THAT(
      Hosts("docker.io"),
      ElementsAre("https://registry-1.docker.io/v2 resolve pull named"));
  EXPECT_THAT(Hosts("localhost:5000"),
              ElementsAre("http://localhost:5000/v2 resolve pull named"));
}

TEST_F(RegistryHostsTest, HostsComeInTheOrderOfTheFileAndTheServerLast) {
  Write("docker.io/hosts.toml", R"(
    server = "https://docker.io"
    [host."https://z.example"]
      capabilities = ["pull"]
    [host."https://a.example:5000/us/"]
      capabilities = ["Pull", "resolve", "push"]
    [host."http://m.example/v2"]
    [host."n.example/api"]
      override_path = true
  )");
  EXPECT_THAT(
      Hosts("docker.io"),
      ElementsAre("https://z.example/v2 pull",
                  "https://a.example:5000/us/v2 resolve pull",
                  "http://m.example/v2 resolve pull",
                  "https://n.example/api resolve pull",
                  "https://registry-1.docker.io/v2 resolve pull named"));
}

TEST_F(RegistryHostsTest, FolderIsFoundByNamePortAndDefault) {
  Write("_default/hosts.toml", "server = 'https://default.example'");
  EXPECT_THAT(Hosts("r.example:5000"),
              ElementsAre(StartsWith("https://default.example/v2 ")));
  Write("r.example:5000/hosts.toml", "server = 'https://colon.example'");
  EXPECT_THAT(Hosts("r.example:5000"),
              ElementsAre(StartsWith("https://colon.example/v2 ")));
  Write("r.example_5000_/hosts.toml", "server = 'https://under.example'");
  EXPECT_THAT(Hosts("r.example:5000"),
              ElementsAre(StartsWith("https://under.example/v2 ")));
  EXPECT_THAT(Hosts("[::1]"),
              ElementsAre(StartsWith("https://default.example/v2 ")));
  // The first folder of folders that has something.
  sys::testing::TempDir second;
  options_.config_paths = {second.path(), dir_.path()};
  EXPECT_THAT(Hosts("r.example:5000"),
              ElementsAre(StartsWith("https://under.example/v2 ")));
}

TEST_F(RegistryHostsTest, OnlyTheNamedRegistryIsNamed) {
  auto named = [&](absl::string_view server, absl::string_view domain) {
    auto parsed = Parse(absl::StrCat("server = '", server, "'"), domain);
    return parsed.ok() && parsed->hosts.back().is_named;
  };
  EXPECT_TRUE(named("https://r.example", "r.example"));
  EXPECT_TRUE(named("https://r.example:443/x", "r.example"));
  EXPECT_TRUE(named("http://r.example", "r.example"));
  EXPECT_TRUE(named("http://r.example:5000", "r.example:5000"));
  EXPECT_TRUE(named("index.docker.io", "docker.io"));
  EXPECT_FALSE(named("https://r.example:5000", "r.example"));
  EXPECT_FALSE(named("https://r.example.evil", "r.example"));
  EXPECT_FALSE(named("https://evil", "r.example"));
  EXPECT_FALSE(named("https://registry-1.docker.io", "r.example"));
}

TEST_F(RegistryHostsTest, OthersAreToldTheRegistrysName) {
  auto target = [&](absl::string_view server, absl::string_view domain) {
    auto parsed = Parse(absl::StrCat("server = '", server, "'"), domain);
    return parsed->hosts.back().Target("a/b", "manifests/x");
  };
  EXPECT_EQ(target("https://m", "r.example:5000"),
            "/v2/a/b/manifests/x?ns=r.example:5000");
  EXPECT_EQ(target("https://r.example", "r.example"), "/v2/a/b/manifests/x");
  EXPECT_EQ(target("https://docker.io", "docker.io"), "/v2/a/b/manifests/x");
}

TEST_F(RegistryHostsTest, FilesAreRelativeToTheFolder) {
  ASSERT_OK_AND_ASSIGN(ParsedHosts parsed, Parse(R"(
    ca = "ca.pem"
    client = [["c.cert", "c.key"], ["/second.pem", ""]]
    [host."https://a"]
      ca = ["/etc/one.pem", "two.pem"]
      client = "both.pem"
      skip_verify = true
      dial_timeout = "1500ms"
      [host."https://a".header]
        x-one = "1"
        x-two = ["2", "3"]
    [host."https://b"]
      client = ["first.pem", "second.pem"]
  )"));
  EXPECT_THAT(parsed.authorities,
              ElementsAre(ElementsAre("/etc/one.pem", "/etc/certs.d/x/two.pem"),
                          IsEmpty(), ElementsAre("/etc/certs.d/x/ca.pem")));
  const RegistryHost& a = parsed.hosts[0];
  EXPECT_EQ(a.tls.client_certificate, "/etc/certs.d/x/both.pem");
  EXPECT_EQ(a.tls.client_key, "");
  EXPECT_TRUE(a.tls.insecure_skip_verify);
  EXPECT_EQ(a.connect_timeout, absl::Milliseconds(1500));
  EXPECT_EQ(a.headers.Get("x-one"), "1");
  EXPECT_THAT(a.headers.GetAll("x-two"), ElementsAre("2", "3"));
  EXPECT_EQ(parsed.hosts[1].tls.client_certificate, "/etc/certs.d/x/first.pem");
  const RegistryHost& server = parsed.hosts[2];
  EXPECT_EQ(server.root.ToString(), "https://r.example/v2");
  EXPECT_EQ(server.tls.client_certificate, "/etc/certs.d/x/c.cert");
  EXPECT_EQ(server.tls.client_key, "/etc/certs.d/x/c.key");
  EXPECT_FALSE(server.tls.insecure_skip_verify);
  EXPECT_THAT(server.headers.all(), IsEmpty());
}

TEST_F(RegistryHostsTest, MistakesNameFileLineAndKey) {
  const struct {
    const char* text;
    const char* what;
  } cases[] = {
      {"server = ", "hosts.toml:1: "},
      {"server = 1", "hosts.toml:1: server: expected a string"},
      {"server = 'ftp://x'", "hosts.toml:1: server: expected a URL"},
      {"server = 'https://x?a=b'", "hosts.toml:1: server: expected a URL"},
      {"\nsrever = 'x'", "hosts.toml:2: srever: unknown key"},
      {"host = 1", "hosts.toml:1: host: expected a table"},
      {"[host]\n'https://x' = 1", "hosts.toml:2: host.https://x: expected a"},
      {"[host.'https://x']\ncapabilities = ['pul']",
       "hosts.toml:2: host.https://x.capabilities: "},
      {"[host.'https://x']\nca = 1", "hosts.toml:2: host.https://x.ca: "},
      {"[host.'https://x']\nca = ['']", "hosts.toml:2: host.https://x.ca: "},
      {"client = [['a']]", "hosts.toml:1: client: expected a path, or"},
      {"client = [['a', 1]]", "hosts.toml:1: client: expected a path, or"},
      {"client = {}", "hosts.toml:1: client: expected a path, or"},
      {"client = ''", "hosts.toml:1: client: "},
      {"skip_verify = 'yes'", "hosts.toml:1: skip_verify: expected true"},
      {"[header]\nx = 1", "hosts.toml:2: header.x: "},
      {"[header]\nx = \"a\\nb\"", "hosts.toml:2: header.x: "},
      {"[header]\n'x y' = 'a'", "hosts.toml:2: header.x y: "},
      {"dial_timeout = 5", "hosts.toml:1: dial_timeout: "},
      {"dial_timeout = '5'", "hosts.toml:1: dial_timeout: "},
      {"dial_timeout = '-5s'", "hosts.toml:1: dial_timeout: "},
      {"[host.'https://x']\nserver = 'y'", "host.https://x.server: unknown"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(Parse(c.text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.what)))
        << c.text;
  }
}

TEST_F(RegistryHostsTest, SecretsOfAMistakeAreNotShown) {
  EXPECT_THAT(
      Parse("server = 'https://u:hunter2@x'"),
      StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("hunter2"))));
  EXPECT_THAT(
      Parse("[header]\nauthorization = \"hunter2\\n\""),
      StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("hunter2"))));
}

TEST_F(RegistryHostsTest, FilesThatCannotBeReadAreTold) {
  Write("r.example/hosts.toml", "ca = 'none.pem'");
  EXPECT_THAT(HostsOf("r.example", options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("r.example/hosts.toml: ca: "),
                             HasSubstr("none.pem"), HasSubstr("ENOENT"))));
  Write("r.example/none.pem", "no certificate");
  EXPECT_THAT(
      HostsOf("r.example", options_),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("PEM")));
  Write("r.example/hosts.toml", "client = 'none.key'");
  EXPECT_THAT(
      HostsOf("r.example", options_),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("none.key")));
  std::filesystem::remove(dir_.path() + "/r.example/hosts.toml");
  std::filesystem::create_directory(dir_.path() + "/r.example/hosts.toml");
  EXPECT_THAT(HostsOf("r.example", options_),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("r.example/hosts.toml")));
}

TEST_F(RegistryHostsTest, CertificatesInDockersForm) {
  Write("r.example/b.crt", "-----BEGIN CERTIFICATE-----b");
  Write("r.example/a.crt", "-----BEGIN CERTIFICATE-----a");
  Write("r.example/client.cert", "c");
  Write("r.example/client.key", "k");
  ASSERT_OK_AND_ASSIGN(std::vector<RegistryHost> hosts,
                       HostsOf("r.example", options_));
  ASSERT_THAT(hosts, SizeIs(1));
  EXPECT_EQ(hosts[0].tls.more_authorities,
            "-----BEGIN CERTIFICATE-----a\n-----BEGIN CERTIFICATE-----b\n");
  EXPECT_EQ(hosts[0].tls.client_certificate,
            dir_.path() + "/r.example/client.cert");
  EXPECT_EQ(hosts[0].tls.client_key, dir_.path() + "/r.example/client.key");
  EXPECT_TRUE(hosts[0].is_named);
  std::filesystem::remove(dir_.path() + "/r.example/client.key");
  ASSERT_OK_AND_ASSIGN(hosts, HostsOf("r.example", options_));
  EXPECT_EQ(hosts[0].tls.client_key, "");
}

}  // namespace
}  // namespace gantry::image
