#include "server/config.h"

#include <fcntl.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/json/json.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"
#include "server/config_json.h"

namespace gantry::server {
namespace {

using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;

TEST(Config, ExampleFileIsTheDefaults) {
  ASSERT_OK_AND_ASSIGN(
      std::string example,
      sys::ReadFileAt(AT_FDCWD, "server/gantryd.example.toml"));
  EXPECT_THAT(MakeConfig(example, "example", {}), IsOkAndHolds(Config()));
  EXPECT_THAT(MakeConfig("", "empty", {}), IsOkAndHolds(Config()));
}

TEST(Config, EveryKeyOfTheExampleIsDocumentedByIt) {
  // A key that is not in the example would be found by nobody: take one of
  // each away and put it back with another value.
  const std::string text = R"(
root = "/r"
run = "/s"
socket = "/t/g.sock"
log_level = "debug"
cgroup_driver = "systemd"
shim_path = "/opt/gantry-shim"
drain_timeout_seconds = 0
trace_steps = true
[security]
unset_seccomp_profile = "runtime-default"
[network]
provider = "none"
bridge = "pods0"
subnet4 = "10.1.0.0/24"
subnet6 = ""
mtu = 1400
[registry]
config_path = ["/certs.d", "/etc/containerd/certs.d"]
insecure_hosts = ["registry.lan:5000"]
internal_hosts = [".lan"]
no_proxy = ["registry.lan"]
connect_timeout_seconds = 2
stall_timeout_seconds = 3
attempts = 4
proxy = "http://proxy:3128"
ca_file = "/ca.pem"
client_certificate = "/c.pem"
client_key = "/k.pem"
[registry.short_names]
default_registry = "registry.lan:5000"
aliases = { box = "docker.io/library/busybox" }
[images]
pinned = ["busybox", "r.example/a@sha256:0123456789012345678901234567890123456789012345678901234567890123"]
max_parallel_layers = 5
parallel_ranges = 2
range_mib = 16
max_inflation = 1000

[containers]
writable_layer_size = "10Gi"
[containers.log]
policy = "drop"
rate = "1Mi"
max_size = "20Mi"
max_files = 3
[runtime_handlers.slow]
[runtime_handlers.fast-1]
[cdi]
spec_dirs = ["/cdi"]
[threads]
core = 2
blocking = 3
[streaming]
address = "::1"
port = 10010
certificate = "/s.pem"
key = "/s.key"
idle_timeout_seconds = 60
[metrics]
address = "[::1]:9323"
)";
  ASSERT_OK_AND_ASSIGN(Config config, MakeConfig(text, "f", {}));
  EXPECT_EQ(config.root, "/r");
  EXPECT_EQ(config.run, "/s");
  EXPECT_EQ(config.socket, "/t/g.sock");
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.cgroup_driver, "systemd");
  EXPECT_EQ(config.shim_path, "/opt/gantry-shim");
  EXPECT_EQ(config.drain_timeout, absl::ZeroDuration());
  EXPECT_TRUE(config.trace_steps);
  EXPECT_EQ(config.metrics.address, "[::1]:9323");
  EXPECT_TRUE(config.security.default_seccomp_when_unset);
  EXPECT_EQ(config.network.provider, "none");
  EXPECT_EQ(config.network.bridge, "pods0");
  EXPECT_EQ(config.network.subnet4, "10.1.0.0/24");
  EXPECT_EQ(config.network.subnet6, "");
  EXPECT_EQ(config.network.mtu, 1400);
  EXPECT_THAT(config.registry.insecure_hosts,
              ::testing::ElementsAre("registry.lan:5000"));
  EXPECT_EQ(config.registry.client_key, "/k.pem");
  EXPECT_THAT(config.registry.config_paths,
              ::testing::ElementsAre("/certs.d", "/etc/containerd/certs.d"));
  EXPECT_THAT(config.registry.internal_hosts, ::testing::ElementsAre(".lan"));
  EXPECT_THAT(config.registry.no_proxy, ::testing::ElementsAre("registry.lan"));
  EXPECT_EQ(config.registry.connect_timeout, absl::Seconds(2));
  EXPECT_EQ(config.registry.stall_timeout, absl::Seconds(3));
  EXPECT_EQ(config.registry.attempts, 4);
  EXPECT_EQ(config.registry.default_registry, "registry.lan:5000");
  EXPECT_THAT(config.registry.aliases,
              ::testing::ElementsAre(
                  ::testing::Pair("box", "docker.io/library/busybox")));
  EXPECT_THAT(
      config.images.pinned,
      ::testing::ElementsAre("registry.lan:5000/busybox:latest",
                             ::testing::StartsWith("r.example/a@sha256:0123")));
  EXPECT_EQ(config.images.max_parallel_layers, 5);
  EXPECT_EQ(config.images.parallel_ranges, 2);
  EXPECT_EQ(config.images.range_mib, 16);
  EXPECT_EQ(config.images.max_inflation, 1000);
  EXPECT_EQ(config.containers.writable_layer_size, uint64_t{10} << 30);
  EXPECT_TRUE(config.containers.log.drops);
  EXPECT_EQ(config.containers.log.rate, 1u << 20);
  EXPECT_EQ(config.containers.log.max_size, 20u << 20);
  EXPECT_EQ(config.containers.log.max_files, 3);
  EXPECT_THAT(config.runtime_handlers,
              ::testing::ElementsAre("fast-1", "slow"));
  EXPECT_THAT(config.cdi.spec_dirs, ::testing::ElementsAre("/cdi"));
  EXPECT_EQ(config.threads.core, 2);
  EXPECT_EQ(config.threads.blocking, 3);
  EXPECT_EQ(config.streaming.address, "::1");
  EXPECT_EQ(config.streaming.port, 10010);
  EXPECT_EQ(config.streaming.certificate, "/s.pem");
  EXPECT_EQ(config.streaming.key, "/s.key");
  EXPECT_EQ(config.streaming.idle_timeout, absl::Minutes(1));
}

TEST(Config, FlagsWinAndTheSocketFollowsTheRunDirectory) {
  ConfigFlags flags;
  flags.root = "/tmp/r";
  flags.run = "/tmp/s";
  flags.log_level = "error";
  ASSERT_OK_AND_ASSIGN(
      Config config,
      MakeConfig("root = '/x'\nlog_level = 'debug'", "f", flags));
  EXPECT_EQ(config.root, "/tmp/r");
  EXPECT_EQ(config.socket, "/tmp/s/gantry.sock");
  EXPECT_EQ(config.log_level, LogLevel::kError);
}

TEST(Config, MistakesAreToldWithTheirLine) {
  struct Case {
    const char* text;
    const char* line;
    const char* what;
  };
  const std::vector<Case> cases = {
      {"root = ", "f:1: ", ""},
      {"\nroot = 5", "f:2: root: ", "expected a string, found an integer"},
      {"\n\nlogs = 'x'", "f:3: logs: ", "unknown key"},
      {"root = 'var'", "f:1: root: ", "absolute"},
      {"root = '/'", "f:1: root: ", "of gantryd's own"},
      {"root = '/a/../b'", "f:1: root: ", "without \"..\""},
      {"root = '/a/'", "f:1: root: ", "empty parts"},
      {"root = '/a'\nrun = '/a/run'", "f:2: run: ", "neither lies in"},
      {"run = '/a/b'\nroot = '/a'", "f:1: run: ", "neither lies in"},
      {"log_level = 'loud'", "f:1: log_level: ", "found \"loud\""},
      {"cgroup_driver = 'cgroup'",
       "f:1: cgroup_driver: ", "auto, systemd or cgroupfs, found \"cgroup\""},
      {"drain_timeout_seconds = -1", "f:1: drain_timeout_seconds: ", "0 to"},
      {"drain_timeout_seconds = '5'",
       "f:1: drain_timeout_seconds: ", "found a string"},
      {"trace_steps = 1", "f:1: trace_steps: ", "true or false"},
      {"[metrics]\naddress = 'localhost:9323'",
       "f:2: metrics.address: ", "\"[::1]:9323\", found \"localhost:9323\""},
      {"[metrics]\nport = 1", "f:2: metrics.port: ", "unknown key"},
      {"[security]\nunset_seccomp_profile = 'none'",
       "f:2: security.unset_seccomp_profile: ", "\"runtime-default\""},
      {"[security]\nselinux = true", "f:2: security.selinux: ", "unknown key"},
      {"security = 1", "f:1: security: ", "expected a table"},
      {"[network]\nprovider = 'x'", "f:2: network.provider: ", "\"none\""},
      {"[network.cni]\nconfig_dir = 'x'",
       "f:2: network.cni.config_dir: ", "absolute"},
      {"[network.cni]\nplugin_dirs = []",
       "f:2: network.cni.plugin_dirs: ", "at least one"},
      {"[network.cni]\nplugin_dirs = ['/a:/b']",
       "f:2: network.cni.plugin_dirs: ", "without a colon"},
      {"[network.cni]\ntimeout_seconds = 0",
       "f:2: network.cni.timeout_seconds: ", "1 to 3600"},
      {"[network]\nbridge = 'a/b'", "f:2: network.bridge: ", "1 to 15"},
      {"[network]\nbridge = 'sixteen_letters_'",
       "f:2: network.bridge: ", "1 to 15"},
      {"[network]\nsubnet4 = '10.0.0.1/16'",
       "f:2: network.subnet4: ", "found \"10.0.0.1/16\""},
      {"[network]\nsubnet4 = 'fd00::/64'", "f:2: network.subnet4: ", "10.92"},
      {"[network]\nsubnet4 = '10.0.0.0/31'", "f:2: network.subnet4: ", "30"},
      {"[network]\nsubnet6 = 'fd00::/127'", "f:2: network.subnet6: ", "126"},
      {"[network]\nsubnet4 = ''\nsubnet6 = ''",
       "f:3: network.subnet6: ", "or both"},
      {"[network]\nmtu = 1000", "f:2: network.mtu: ", "1280"},
      {"[registry]\ninsecure_hosts = ['http://x/']",
       "f:2: registry.insecure_hosts: ", "localhost:5000"},
      {"[cdi]\nspec_dirs = ['cdi']", "f:2: cdi.spec_dirs: ", "cdi"},
      {"[registry]\ninsecure_hosts = 'x'",
       "f:2: registry.insecure_hosts: ", "a list of strings"},
      {"[registry]\ninsecure_hosts = [1]",
       "f:2: registry.insecure_hosts: ", "a string"},
      {"[registry]\nconfig_path = 'certs.d'",
       "f:2: registry.config_path: ", "absolute"},
      {"[registry]\nconfig_path = [1]", "f:2: registry.config_path: ", ""},
      {"[registry]\ninternal_hosts = ['a/b']",
       "f:2: registry.internal_hosts: ", "found \"a/b\""},
      {"[registry]\nno_proxy = 'x'", "f:2: registry.no_proxy: ", "a list"},
      {"[registry]\nstall_timeout_seconds = 0",
       "f:2: registry.stall_timeout_seconds: ", "1 to 3600"},
      {"[registry]\nattempts = 0", "f:2: registry.attempts: ", "1 to 100"},
      {"[registry.short_names]\ndefault_registry = 'a/b/'",
       "f:2: registry.short_names.default_registry: ", "a registry"},
      {"[registry.short_names.aliases]\nbox = 'r.lan/box:1'",
       "f:2: registry.short_names.aliases.box: ", "without a tag"},
      {"[registry.short_names.aliases]\n'r.lan/box' = 'r.lan/box'",
       "f:2: registry.short_names.aliases.r.lan/box: ", "without registry"},
      {"[registry.short_names.aliases]\n'box:1' = 'r.lan/box'",
       "f:2: registry.short_names.aliases.box:1: ", "without registry"},
      {"[registry]\n\nclient_key = '/k'",
       "f:3: registry.client_key: ", "together"},
      {"[registry]\nca_file = 'ca.pem'", "f:2: registry.ca_file: ", "absolute"},
      {"[images]\npinned = ['UPPER']", "f:2: images.pinned: ", ""},
      {"[runtime_handlers.Fast]", "f:1: runtime_handlers.Fast: ", "lower case"},
      {"[runtime_handlers]\nfast = 1",
       "f:2: runtime_handlers.fast: ", "expected a table"},
      {"[runtime_handlers.fast]\npath = '/x'",
       "f:2: runtime_handlers.fast.path: ", "none is expected"},
      {"[containers]\nwritable_layer_size = \"10G\"",
       "f:2: containers.writable_layer_size: ", "such as \"10Gi\""},
      {"[containers]\nwritable_layer_size = \"4096\"",
       "f:2: containers.writable_layer_size: ", "at least 1Mi"},
      {"[containers]\nwritable_layer_size = 10",
       "f:2: containers.writable_layer_size: ", "a string"},
      {"[containers.log]\npolicy = \"lose\"",
       "f:2: containers.log.policy: ", "\"block\" or \"drop\", found \"lose\""},
      {"[containers.log]\nrate = \"1000\"",
       "f:2: containers.log.rate: ", "at least 1Ki"},
      {"[containers.log]\nmax_size = \"10M\"",
       "f:2: containers.log.max_size: ", "such as \"10Mi\""},
      {"[containers.log]\nmax_files = 1",
       "f:2: containers.log.max_files: ", "2 to 100"},
      {"[containers.log]\nsize = 1",
       "f:2: containers.log.size: ", "expected one of max_files"},
      {"[images]\nmax_parallel_layers = 0",
       "f:2: images.max_parallel_layers: ", "1 to 16"},
      {"[images]\nparallel_ranges = 17",
       "f:2: images.parallel_ranges: ", "1 to 16"},
      {"[images]\nrange_mib = 0", "f:2: images.range_mib: ", "1 to 64"},
      {"[threads]\ncore = 0", "f:2: threads.core: ", "1 to 64"},
      {"[threads]\ncore = 1.5", "f:2: threads.core: ", "found a fraction"},
      {"[streaming]\naddress = 'localhost'",
       "f:2: streaming.address: ", "an IP address"},
      {"[streaming]\nport = 65536", "f:2: streaming.port: ", "0 to 65535"},
      {"[streaming]\nkey = '/k'", "f:2: streaming.key: ", "together"},
      {"[streaming]\ncertificate = 'c'\nkey = '/k'",
       "f:2: streaming.certificate: ", "absolute"},
      {"[streaming]\nidle_timeout_seconds = 0",
       "f:2: streaming.idle_timeout_seconds: ", "1 to"},
  };
  for (const Case& bad : cases) {
    EXPECT_THAT(MakeConfig(bad.text, "f", {}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::AllOf(::testing::StartsWith(bad.line),
                                          HasSubstr(bad.what))))
        << bad.text;
  }
}

TEST(Config, MistakesOfFlagsNameTheFlag) {
  ConfigFlags flags;
  flags.socket = "/" + std::string(107, 's');
  EXPECT_THAT(
      MakeConfig("", "f", flags),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--socket: ")));
  flags.socket.reset();
  flags.log_level = "loud";
  EXPECT_THAT(
      MakeConfig("", "f", flags),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--log-level: ")));
}

TEST(Config, PasswordOfAProxyIsNotShown) {
  EXPECT_THAT(
      MakeConfig("[registry]\nproxy = 'https://u:hunter2@x'", "f", {}),
      StatusIs(absl::StatusCode::kInvalidArgument, Not(HasSubstr("hunter2"))));
  ASSERT_OK_AND_ASSIGN(
      Config config,
      MakeConfig("[registry]\nproxy = 'http://u:hunter2@x'", "f", {}));
  EXPECT_THAT(ConfigJson(config), Not(HasSubstr("hunter2")));
}

TEST(Config, JsonIsJson) {
  Config config;
  config.registry.insecure_hosts = {"a:1", "b"};
  config.runtime_handlers = {"fast"};
  ASSERT_OK_AND_ASSIGN(json::Value value,
                       json::Value::Parse(ConfigJson(config), "config"));
  EXPECT_THAT(value.StringField("root"), IsOkAndHolds(config.root));
  EXPECT_THAT(value.Find("registry")->StringListField("insecure_hosts"),
              IsOkAndHolds(::testing::ElementsAre("a:1", "b")));
  EXPECT_THAT(value.StringListField("runtime_handlers"),
              IsOkAndHolds(::testing::ElementsAre("fast")));
}

TEST(LoadConfig, NamedFileMustExist) {
  sys::testing::TempDir dir;
  EXPECT_THAT(LoadConfig(dir.path() + "/none.toml", {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.toml")));
}

}  // namespace
}  // namespace gantry::server
