#include "server/cri/translate_pod.h"

#include <arpa/inet.h>
#include <limits.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/plan.pb.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/systemd/unit_names.h"
#include "runtime/plan/sysctls.h"
#include "server/cri/check.h"
#include "server/cri/check_windows.h"
#include "server/cri/serialize.h"
#include "server/cri/translate_namespaces.h"
#include "server/cri/translate_ports.h"
#include "server/cri/translate_resources.h"
#include "server/cri/translate_security.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::PodSandboxConfig;

constexpr absl::string_view kSecurityContext = "config.linux.security_context";

absl::StatusOr<record::Metadata> MetadataFromCri(
    const PodSandboxConfig& config) {
  if (!config.has_metadata()) {
    return BadField("config.metadata", "is missing");
  }
  const runtime::v1::PodSandboxMetadata& from = config.metadata();
  RETURN_IF_ERROR(CheckName("config.metadata.name", from.name()));
  RETURN_IF_ERROR(CheckOptionalName("config.metadata.uid", from.uid()));
  RETURN_IF_ERROR(
      CheckOptionalName("config.metadata.namespace", from.namespace_()));
  record::Metadata metadata;
  metadata.set_name(from.name());
  metadata.set_uid(from.uid());
  metadata.set_namespace_(from.namespace_());
  metadata.set_attempt(from.attempt());
  return metadata;
}

absl::Status CheckHostname(absl::string_view hostname) {
  if (hostname.size() > HOST_NAME_MAX) {
    return BadField("config.hostname",
                    absl::StrCat("has ", hostname.size(), " bytes, at most ",
                                 HOST_NAME_MAX, " are allowed"));
  }
  for (char c : hostname) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_') continue;
    return BadValue("config.hostname", "letters, digits, '-', '.' and '_'",
                    hostname);
  }
  return absl::OkStatus();
}

// Each word becomes part of a line of resolv.conf(5).
absl::Status CheckWord(absl::string_view field, absl::string_view word) {
  for (char c : word) {
    if (absl::ascii_isgraph(c)) continue;
    return BadValue(field, "one word", word);
  }
  if (word.empty()) return BadField(field, "is empty");
  return absl::OkStatus();
}

bool IsAddress(const std::string& text) {
  // A link-local address names its interface: "fe80::1%eth0".
  const std::string address = text.substr(0, text.find('%'));
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, address.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, address.c_str(), bytes) == 1;
}

absl::StatusOr<core::DnsConfig> DnsFromCri(
    const runtime::v1::DNSConfig& config) {
  core::DnsConfig dns;
  for (int i = 0; i < config.servers_size(); ++i) {
    const std::string field = At("config.dns_config.servers", i);
    RETURN_IF_ERROR(CheckWord(field, config.servers(i)));
    if (!IsAddress(config.servers(i))) {
      return BadValue(field, "an IP address", config.servers(i));
    }
    dns.servers.push_back(config.servers(i));
  }
  for (int i = 0; i < config.searches_size(); ++i) {
    RETURN_IF_ERROR(
        CheckWord(At("config.dns_config.searches", i), config.searches(i)));
    dns.searches.push_back(config.searches(i));
  }
  for (int i = 0; i < config.options_size(); ++i) {
    RETURN_IF_ERROR(
        CheckWord(At("config.dns_config.options", i), config.options(i)));
    dns.options.push_back(config.options(i));
  }
  return dns;
}

// With systemd a node agent names the slice, or its path. Either driver refuses
// the other's form: the agent's limits would be on a cgroup that is not the
// pod's, or systemd would undo ours.
absl::StatusOr<std::string> CgroupParentFromCri(const std::string& parent,
                                                bool systemd) {
  const absl::string_view field = "config.linux.cgroup_parent";
  if (parent.empty()) return "";
  absl::string_view bare = parent;
  while (absl::ConsumeSuffix(&bare, "/")) {
  }
  if (systemd) {
    absl::StatusOr<std::string> slice =
        cgroup::systemd::ParentSlicePath(parent);
    if (slice.ok()) return slice;
    return BadValue(field,
                    absl::StrCat("a slice such as \"kubepods-pod123.slice\" or "
                                 "its path (the cgroup driver is systemd, not "
                                 "cgroupfs; ",
                                 slice.status().message(), ")"),
                    parent);
  }
  if (absl::EndsWith(bare, ".slice")) {
    return BadValue(field,
                    "a path such as \"/kubepods/pod123\" (the cgroup driver "
                    "is cgroupfs, not systemd)",
                    parent);
  }
  RETURN_IF_ERROR(CheckAbsolutePath(field, parent));
  absl::StatusOr<std::string> path = cgroup::NormalizeCgroupPath(bare);
  if (!path.ok()) return Annotate(path.status(), field);
  return absl::StrCat("/", *path);
}

// Only parameters of namespaces that the pod does not share with the host.
absl::Status SetSysctls(const PodSandboxConfig& config,
                        core::PodRequest& request) {
  spec::ContainerSpec spec;
  spec.mutable_sysctls()->insert(config.linux().sysctls().begin(),
                                 config.linux().sysctls().end());
  auto source = [](spec::NamespaceMode mode) {
    return mode == spec::NODE ? plan::NamespacePlan::HOST
                              : plan::NamespacePlan::NEW;
  };
  plan::NamespacePlan namespaces;
  namespaces.set_network(source(request.namespaces.network()));
  namespaces.set_ipc(source(request.namespaces.ipc()));
  namespaces.set_uts(plan::NamespacePlan::NEW);
  plan::InitPlan ignored;
  RETURN_IF_ERROR(plan::PlanSysctls(spec, namespaces, ignored))
      << "config.linux";
  request.sysctls.insert(config.linux().sysctls().begin(),
                         config.linux().sysctls().end());
  return absl::OkStatus();
}

absl::Status SetLinux(const PodSandboxConfig& config, const HostAbilities& host,
                      core::PodRequest& request) {
  const runtime::v1::LinuxSandboxSecurityContext& context =
      config.linux().security_context();
  RETURN_IF_ERROR(CheckPodSecurity(context, host, kSecurityContext));
  ASSIGN_OR_RETURN(
      request.selinux_options,
      SelinuxFromCri(context.selinux_options(), host, kSecurityContext));
  ASSIGN_OR_RETURN(request.namespaces,
                   PodNamespacesFromCri(context, host, kSecurityContext));
  ASSIGN_OR_RETURN(request.cgroup_parent,
                   CgroupParentFromCri(config.linux().cgroup_parent(),
                                       host.systemd_cgroups));
  ASSIGN_OR_RETURN(
      request.overhead,
      PodOverheadFromCri(config.linux().overhead(), "config.linux.overhead"));
  ASSIGN_OR_RETURN(request.resources,
                   PodResourcesFromCri(config.linux().resources(),
                                       "config.linux.resources"));
  return SetSysctls(config, request);
}

}  // namespace

absl::StatusOr<core::PodRequest> PodRequestFromCri(
    const runtime::v1::RunPodSandboxRequest& request,
    const HostAbilities& host) {
  if (!request.has_config()) return BadField("config", "is missing");
  RETURN_IF_ERROR(
      CheckRuntimeHandler("runtime_handler", request.runtime_handler(), host));
  const PodSandboxConfig& config = request.config();
  RETURN_IF_ERROR(CheckNoWindows("config.windows", config.windows()));
  core::PodRequest pod;
  pod.runtime_handler = request.runtime_handler();
  ASSIGN_OR_RETURN(pod.metadata, MetadataFromCri(config));
  RETURN_IF_ERROR(CheckHostname(config.hostname()));
  pod.hostname = config.hostname();
  if (!config.log_directory().empty()) {
    RETURN_IF_ERROR(
        CheckPlainAbsolutePath("config.log_directory", config.log_directory()));
    pod.log_directory = config.log_directory();
  }
  ASSIGN_OR_RETURN(pod.dns, DnsFromCri(config.dns_config()));
  pod.labels.insert(config.labels().begin(), config.labels().end());
  pod.annotations.insert(config.annotations().begin(),
                         config.annotations().end());
  RETURN_IF_ERROR(SetLinux(config, host, pod));
  ASSIGN_OR_RETURN(pod.ports, PortsFromCri(config, pod.namespaces));
  pod.cri_config = SerializeForComparison(config);
  return pod;
}

runtime::v1::PodSandboxMetadata PodMetadataToCri(
    const record::Metadata& metadata) {
  runtime::v1::PodSandboxMetadata to;
  to.set_name(metadata.name());
  to.set_uid(metadata.uid());
  to.set_namespace_(metadata.namespace_());
  to.set_attempt(metadata.attempt());
  return to;
}

runtime::v1::PodSandboxState PodStateToCri(record::PodRecord::State state) {
  return state == record::PodRecord::READY ? runtime::v1::SANDBOX_READY
                                           : runtime::v1::SANDBOX_NOTREADY;
}

runtime::v1::PodSandbox PodToCri(const record::PodRecord& pod) {
  runtime::v1::PodSandbox to;
  to.set_id(pod.id());
  *to.mutable_metadata() = PodMetadataToCri(pod.metadata());
  to.set_state(PodStateToCri(pod.state()));
  to.set_created_at(pod.created_at());
  *to.mutable_labels() = pod.labels();
  *to.mutable_annotations() = pod.annotations();
  to.set_runtime_handler(pod.runtime_handler());
  return to;
}

runtime::v1::PodSandboxStatus PodStatusToCri(const record::PodRecord& pod) {
  runtime::v1::PodSandboxStatus to;
  to.set_id(pod.id());
  *to.mutable_metadata() = PodMetadataToCri(pod.metadata());
  to.set_state(PodStateToCri(pod.state()));
  to.set_created_at(pod.created_at());
  runtime::v1::PodSandboxNetworkStatus& network = *to.mutable_network();
  for (int i = 0; i < pod.ips_size(); ++i) {
    if (i == 0) {
      network.set_ip(pod.ips(0));
    } else {
      network.add_additional_ips()->set_ip(pod.ips(i));
    }
  }
  *to.mutable_linux()->mutable_namespaces()->mutable_options() =
      NamespacesToCri(pod.namespaces());
  *to.mutable_labels() = pod.labels();
  *to.mutable_annotations() = pod.annotations();
  to.set_runtime_handler(pod.runtime_handler());
  return to;
}

}  // namespace gantry::cri
