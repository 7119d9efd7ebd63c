#include "server/cri/translate_pod.h"

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/cri/serialize.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::PodSandboxConfig;
using ::runtime::v1::RunPodSandboxRequest;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using testing::StatusIs;

RunPodSandboxRequest GoodRequest() {
  RunPodSandboxRequest request;
  PodSandboxConfig& config = *request.mutable_config();
  config.mutable_metadata()->set_name("web");
  config.mutable_metadata()->set_uid("u1");
  config.mutable_metadata()->set_namespace_("default");
  config.mutable_metadata()->set_attempt(2);
  config.set_hostname("web-0.example");
  config.set_log_directory("/var/log/pods/web");
  (*config.mutable_labels())["app"] = "web";
  (*config.mutable_annotations())["note"] = "n";
  config.mutable_dns_config()->add_servers("10.0.0.10");
  config.mutable_dns_config()->add_servers("fe80::1%eth0");
  config.mutable_dns_config()->add_searches("svc.cluster.local");
  config.mutable_dns_config()->add_options("ndots:5");
  config.mutable_linux()->set_cgroup_parent("/kubepods/pod1/");
  (*config.mutable_linux()->mutable_sysctls())["net.ipv4.ip_forward"] = "1";
  return request;
}

TEST(PodRequestFromCri, TakesEverything) {
  ASSERT_OK_AND_ASSIGN(core::PodRequest pod,
                       PodRequestFromCri(GoodRequest(), {}));
  EXPECT_EQ(pod.metadata.name(), "web");
  EXPECT_EQ(pod.metadata.uid(), "u1");
  EXPECT_EQ(pod.metadata.namespace_(), "default");
  EXPECT_EQ(pod.metadata.attempt(), 2);
  EXPECT_EQ(pod.hostname, "web-0.example");
  EXPECT_EQ(pod.log_directory, "/var/log/pods/web");
  EXPECT_THAT(pod.labels, ElementsAre(Pair("app", "web")));
  EXPECT_THAT(pod.annotations, ElementsAre(Pair("note", "n")));
  EXPECT_THAT(pod.dns.servers, ElementsAre("10.0.0.10", "fe80::1%eth0"));
  EXPECT_THAT(pod.dns.searches, ElementsAre("svc.cluster.local"));
  EXPECT_THAT(pod.dns.options, ElementsAre("ndots:5"));
  EXPECT_EQ(pod.cgroup_parent, "/kubepods/pod1");
  EXPECT_THAT(pod.sysctls, ElementsAre(Pair("net.ipv4.ip_forward", "1")));
  EXPECT_EQ(pod.namespaces.network(), spec::POD);
  EXPECT_EQ(pod.namespaces.ipc(), spec::POD);
  EXPECT_EQ(pod.namespaces.uts(), spec::POD);
  EXPECT_EQ(pod.namespaces.pid(), spec::CONTAINER);
}

TEST(PodRequestFromCri, TakesTheHandlersThatAreConfigured) {
  RunPodSandboxRequest request = GoodRequest();
  request.set_runtime_handler("fast");
  HostAbilities host;
  EXPECT_THAT(PodRequestFromCri(request, host),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("runtime_handler")));
  host.runtime_handlers = {"fast"};
  ASSERT_OK_AND_ASSIGN(core::PodRequest pod, PodRequestFromCri(request, host));
  EXPECT_EQ(pod.runtime_handler, "fast");
}

TEST(PodRequestFromCri, WithSystemdTheParentIsASlice) {
  RunPodSandboxRequest request = GoodRequest();
  HostAbilities host;
  host.systemd_cgroups = true;
  auto& linux = *request.mutable_config()->mutable_linux();
  for (const char* parent :
       {"kubepods-pod1.slice", "/kubepods.slice/kubepods-pod1.slice"}) {
    linux.set_cgroup_parent(parent);
    ASSERT_OK_AND_ASSIGN(core::PodRequest pod,
                         PodRequestFromCri(request, host));
    EXPECT_EQ(pod.cgroup_parent, "/kubepods.slice/kubepods-pod1.slice");
  }
  linux.set_cgroup_parent("");
  ASSERT_OK_AND_ASSIGN(core::PodRequest pod, PodRequestFromCri(request, host));
  EXPECT_EQ(pod.cgroup_parent, "");
  for (const char* parent :
       {"/kubepods/pod1", "/kubepods-pod1.slice", "/", "a.scope", "-.slice"}) {
    linux.set_cgroup_parent(parent);
    EXPECT_THAT(PodRequestFromCri(request, host),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("config.linux.cgroup_parent"),
                               HasSubstr("the cgroup driver is systemd"))))
        << parent;
  }
}

TEST(PodRequestFromCri, TakesOverheadAndResources) {
  RunPodSandboxRequest request = GoodRequest();
  auto& linux = *request.mutable_config()->mutable_linux();
  linux.mutable_resources()->set_memory_limit_in_bytes(1 << 20);
  linux.mutable_overhead()->set_cpu_shares(10);
  ASSERT_OK_AND_ASSIGN(core::PodRequest pod, PodRequestFromCri(request, {}));
  EXPECT_EQ(pod.resources.memory_limit(), 1 << 20);
  EXPECT_EQ(pod.overhead.cpu_shares(), 10);
  linux.mutable_overhead()->set_cpu_shares(-10);
  EXPECT_THAT(PodRequestFromCri(request, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("config.linux.overhead.cpu_shares")));
}

TEST(PodRequestFromCri, NamespaceOptionsAreTheClients) {
  RunPodSandboxRequest request = GoodRequest();
  request.mutable_config()->mutable_linux()->clear_sysctls();
  auto& options = *request.mutable_config()
                       ->mutable_linux()
                       ->mutable_security_context()
                       ->mutable_namespace_options();
  options.set_network(runtime::v1::NODE);
  options.set_ipc(runtime::v1::NODE);
  options.set_pid(runtime::v1::POD);
  ASSERT_OK_AND_ASSIGN(core::PodRequest pod, PodRequestFromCri(request, {}));
  EXPECT_EQ(pod.namespaces.network(), spec::NODE);
  EXPECT_EQ(pod.namespaces.ipc(), spec::NODE);
  EXPECT_EQ(pod.namespaces.pid(), spec::POD);
  // The host's name is seen, but changing it stays in the pod.
  EXPECT_EQ(pod.namespaces.uts(), spec::POD);
}

struct BadCase {
  const char* what;
  std::function<void(RunPodSandboxRequest&)> spoil;
  absl::StatusCode code;
  // Part of the message: the field.
  const char* field;
};

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnbuilt = absl::StatusCode::kUnimplemented;

runtime::v1::LinuxSandboxSecurityContext& Security(RunPodSandboxRequest& r) {
  return *r.mutable_config()->mutable_linux()->mutable_security_context();
}
PodSandboxConfig& Config(RunPodSandboxRequest& r) {
  return *r.mutable_config();
}

const std::vector<BadCase>& BadCases() {
  using R = RunPodSandboxRequest;
  static const auto* const cases = new std::vector<BadCase>{
      {"no config", [](R& r) { r.clear_config(); }, kInvalid, "config"},
      {"unknown handler", [](R& r) { r.set_runtime_handler("kata"); }, kInvalid,
       "runtime_handler"},
      {"for Windows",
       [](R& r) {
         Config(r)
             .mutable_windows()
             ->mutable_security_context()
             ->set_host_process(true);
       },
       kInvalid, "config.windows.security_context.host_process"},
      {"no metadata", [](R& r) { Config(r).clear_metadata(); }, kInvalid,
       "config.metadata"},
      {"empty name", [](R& r) { Config(r).mutable_metadata()->set_name(""); },
       kInvalid, "config.metadata.name"},
      {"traversal in name",
       [](R& r) { Config(r).mutable_metadata()->set_name("../../x"); },
       kInvalid, "config.metadata.name"},
      {"name is ..", [](R& r) { Config(r).mutable_metadata()->set_name(".."); },
       kInvalid, "config.metadata.name"},
      {"newline in name",
       [](R& r) { Config(r).mutable_metadata()->set_name("a\nb"); }, kInvalid,
       "a\\nb"},
      {"slash in uid",
       [](R& r) { Config(r).mutable_metadata()->set_uid("a/b"); }, kInvalid,
       "config.metadata.uid"},
      {"slash in namespace",
       [](R& r) { Config(r).mutable_metadata()->set_namespace_("a/b"); },
       kInvalid, "config.metadata.namespace"},
      {"long hostname",
       [](R& r) { Config(r).set_hostname(std::string(65, 'h')); }, kInvalid,
       "config.hostname"},
      {"hostname with newline",
       [](R& r) { Config(r).set_hostname("a\n127.0.0.1 bank"); }, kInvalid,
       "config.hostname"},
      {"relative log directory",
       [](R& r) { Config(r).set_log_directory("logs"); }, kInvalid,
       "config.log_directory"},
      {"traversal in log directory",
       [](R& r) { Config(r).set_log_directory("/var/log/../../etc"); },
       kInvalid, "config.log_directory"},
      {"DNS server is no address",
       [](R& r) { Config(r).mutable_dns_config()->set_servers(1, "dns"); },
       kInvalid, "config.dns_config.servers[1]"},
      {"DNS search with a line of its own",
       [](R& r) {
         Config(r).mutable_dns_config()->set_searches(0, "a\nnameserver b");
       },
       kInvalid, "config.dns_config.searches[0]"},
      {"empty DNS option",
       [](R& r) { Config(r).mutable_dns_config()->set_options(0, ""); },
       kInvalid, "config.dns_config.options[0]"},
      {"port out of range",
       [](R& r) { Config(r).add_port_mappings()->set_container_port(70000); },
       kInvalid, "config.port_mappings[0].container_port"},
      {"a slice as cgroup parent",
       [](R& r) {
         Config(r).mutable_linux()->set_cgroup_parent("kubepods-a.slice");
       },
       kInvalid, "cgroupfs"},
      {"the path of a slice as cgroup parent",
       [](R& r) {
         Config(r).mutable_linux()->set_cgroup_parent(
             "/kubepods.slice/kubepods-a.slice/");
       },
       kInvalid, "cgroupfs"},
      {"relative cgroup parent",
       [](R& r) { Config(r).mutable_linux()->set_cgroup_parent("a/b"); },
       kInvalid, "config.linux.cgroup_parent"},
      {"traversal in cgroup parent",
       [](R& r) { Config(r).mutable_linux()->set_cgroup_parent("/a/../b"); },
       kInvalid, "config.linux.cgroup_parent"},
      {"the root as cgroup parent",
       [](R& r) { Config(r).mutable_linux()->set_cgroup_parent("/"); },
       kInvalid, "config.linux.cgroup_parent"},
      {"sysctl of the whole host",
       [](R& r) {
         (*Config(r).mutable_linux()->mutable_sysctls())["vm.swappiness"] = "1";
       },
       kInvalid, "vm.swappiness"},
      {"network sysctl on the host's network",
       [](R& r) {
         Security(r).mutable_namespace_options()->set_network(
             runtime::v1::NODE);
       },
       kInvalid, "net.ipv4.ip_forward"},
      {"sysctl value with a second line",
       [](R& r) {
         (*Config(r).mutable_linux()->mutable_sysctls())["net.ipv4.x"] =
             "1\nkernel.core_pattern=|/x";
       },
       kInvalid, "config.linux"},
      {"network CONTAINER",
       [](R& r) {
         Security(r).mutable_namespace_options()->set_network(
             runtime::v1::CONTAINER);
       },
       kInvalid, "namespace_options.network"},
      {"unknown ipc mode",
       [](R& r) {
         Security(r).mutable_namespace_options()->set_ipc(
             static_cast<runtime::v1::NamespaceMode>(8));
       },
       kInvalid, "namespace_options.ipc"},
      {"pid TARGET",
       [](R& r) {
         Security(r).mutable_namespace_options()->set_pid(runtime::v1::TARGET);
         Security(r).mutable_namespace_options()->set_target_id("x");
       },
       kInvalid, "namespace_options.pid"},
      {"a user namespace without ids",
       [](R& r) {
         Security(r).mutable_namespace_options()->mutable_userns_options();
       },
       kInvalid, "userns_options.uids"},
      {"SELinux label",
       [](R& r) {
         Security(r).mutable_selinux_options()->set_type("container_t");
       },
       absl::StatusCode::kFailedPrecondition, "selinux_options"},
      {"negative user",
       [](R& r) { Security(r).mutable_run_as_user()->set_value(-1); }, kInvalid,
       "run_as_user"},
      {"group without user",
       [](R& r) { Security(r).mutable_run_as_group()->set_value(1); }, kInvalid,
       "run_as_group"},
      {"seccomp of the host",
       [](R& r) {
         Security(r).mutable_seccomp()->set_profile_type(
             runtime::v1::SecurityProfile::Localhost);
         Security(r).mutable_seccomp()->set_localhost_ref("p.json");
       },
       kInvalid, "seccomp.localhost_ref"},
      {"AppArmor profile without AppArmor",
       [](R& r) {
         Security(r).mutable_apparmor()->set_profile_type(
             runtime::v1::SecurityProfile::Localhost);
         Security(r).mutable_apparmor()->set_localhost_ref("p");
       },
       absl::StatusCode::kFailedPrecondition, "apparmor"},
  };
  return *cases;
}

TEST(PodRequestFromCri, BadValuesNameTheirField) {
  for (const BadCase& bad : BadCases()) {
    RunPodSandboxRequest request = GoodRequest();
    bad.spoil(request);
    EXPECT_THAT(PodRequestFromCri(request, {}),
                StatusIs(bad.code, HasSubstr(bad.field)))
        << bad.what;
  }
}

TEST(PodRequestFromCri, PortsOfTheHostAreTaken) {
  RunPodSandboxRequest request = GoodRequest();
  runtime::v1::PortMapping& port =
      *request.mutable_config()->add_port_mappings();
  port.set_host_port(8080);
  port.set_container_port(80);
  ASSERT_OK_AND_ASSIGN(core::PodRequest pod, PodRequestFromCri(request, {}));
  ASSERT_EQ(pod.ports.size(), 1u);
  EXPECT_EQ(pod.ports[0].host_port(), 8080u);
}

TEST(SerializeForComparison, OrderOfInsertionDoesNotMatter) {
  PodSandboxConfig one, two;
  for (int i = 0; i < 40; ++i) {
    (*one.mutable_labels())[std::to_string(i)] = "x";
    (*two.mutable_labels())[std::to_string(39 - i)] = "x";
  }
  EXPECT_EQ(SerializeForComparison(one), SerializeForComparison(two));
  (*two.mutable_labels())["0"] = "y";
  EXPECT_NE(SerializeForComparison(one), SerializeForComparison(two));
}

TEST(PodStatusToCri, TellsWhatTheRecordHolds) {
  record::PodRecord pod;
  pod.set_id("p1");
  pod.set_state(record::PodRecord::READY);
  pod.mutable_metadata()->set_name("web");
  pod.set_created_at(7);
  pod.add_ips("10.0.0.2");
  pod.add_ips("fd00::2");
  (*pod.mutable_annotations())["a"] = "b";
  pod.mutable_namespaces()->set_network(spec::NODE);
  runtime::v1::PodSandboxStatus status = PodStatusToCri(pod);
  EXPECT_EQ(status.id(), "p1");
  EXPECT_EQ(status.state(), runtime::v1::SANDBOX_READY);
  EXPECT_EQ(status.network().ip(), "10.0.0.2");
  ASSERT_EQ(status.network().additional_ips_size(), 1);
  EXPECT_EQ(status.network().additional_ips(0).ip(), "fd00::2");
  EXPECT_EQ(status.annotations().at("a"), "b");
  EXPECT_EQ(status.linux().namespaces().options().network(), runtime::v1::NODE);
}

TEST(PodStateToCri, OnlyReadyIsReady) {
  for (auto state : {record::PodRecord::CREATING, record::PodRecord::NOT_READY,
                     record::PodRecord::REMOVING}) {
    EXPECT_EQ(PodStateToCri(state), runtime::v1::SANDBOX_NOTREADY);
  }
  EXPECT_EQ(PodStateToCri(record::PodRecord::READY),
            runtime::v1::SANDBOX_READY);
}

}  // namespace
}  // namespace gantry::cri
