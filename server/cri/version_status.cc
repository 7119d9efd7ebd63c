// Who answers, whether it can take pods, and what it is configured to.

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "grpcpp/grpcpp.h"
#include "runtime/net/ip.h"
#include "runtime/net/pod_network.h"
#include "server/cri/call.h"
#include "server/cri/check.h"
#include "server/cri/json_object.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/version.h"

namespace gantry::cri {
namespace {

// Of the node agent's API; every runtime answers this.
constexpr char kKubeApiVersion[] = "0.1.0";
constexpr char kCriVersion[] = "v1";

runtime::v1::RuntimeCondition Condition(const char* type,
                                        const absl::Status& status) {
  runtime::v1::RuntimeCondition condition;
  condition.set_type(type);
  condition.set_status(status.ok());
  if (!status.ok()) {
    condition.set_reason(absl::StrCat(type, "Failed"));
    condition.set_message(std::string(status.message()));
  }
  return condition;
}

// What is in the way now may be gone when the client asks again.
work::Task<absl::Status> CheckNetwork(core::Node& node) {
  net::PodNetwork& network = node.network;
  absl::Status status =
      co_await work::RunOn(node.network_executor, node.executor,
                           [&network] { return network.Check(); });
  if (!status.ok() || network.HasDebts()) {
    node.network_executor.Post([&network] { network.Mend(); });
  }
  co_return status;
}

absl::Status StartOf(const Services& services) {
  const std::optional<std::string> doing = services.start.Doing();
  return doing
             ? absl::UnavailableError(absl::StrCat("gantryd starts: ", *doing))
             : absl::OkStatus();
}

std::string NetworkJson(const Services& services) {
  JsonObject json;
  for (const auto& [name, value] : services.node.network.Facts()) {
    json.Text(name, value);
  }
  return json.Finish();
}

absl::Status CheckPodCidr(absl::string_view pod_cidr) {
  for (absl::string_view cidr : absl::StrSplit(pod_cidr, ',')) {
    if (!net::ParsePrefix(cidr).ok()) {
      return BadValue("runtime_config.network_config.pod_cidr",
                      "address ranges such as \"10.1.0.0/16\"", pod_cidr);
    }
  }
  return absl::OkStatus();
}

// The default one, and those of the configuration, which are like it.
google::protobuf::RepeatedPtrField<runtime::v1::RuntimeHandler> RuntimeHandlers(
    const HostAbilities& host) {
  runtime::v1::RuntimeHandler handler;
  handler.mutable_features()->set_recursive_read_only_mounts(
      host.recursive_read_only);
  handler.mutable_features()->set_user_namespaces(host.user_namespaces);
  google::protobuf::RepeatedPtrField<runtime::v1::RuntimeHandler> handlers;
  *handlers.Add() = handler;
  for (const std::string& name : host.runtime_handlers) {
    handler.set_name(name);
    *handlers.Add() = handler;
  }
  return handlers;
}

std::string HostJson(const Services& services) {
  JsonObject json;
  json.Text("kernel", services.facts.kernel)
      .Text("cgroup_mode", services.facts.cgroup_mode)
      .Text("cgroup_driver", services.facts.cgroup_driver)
      .Text("cgroup_driver_reason", services.facts.cgroup_driver_reason)
      .Texts("cgroup_controllers", services.facts.controllers)
      .Flag("apparmor", services.host.apparmor)
      .Flag("selinux", services.host.selinux)
      .Flag("user_namespaces", services.host.user_namespaces)
      .Flag("recursive_read_only_mounts", services.host.recursive_read_only);
  return json.Finish();
}

std::string VersionsJson() {
  JsonObject json;
  json.Text(kRuntimeName, kRuntimeVersion)
      .Text("cri", kCriVersion)
      .Text("grpc", grpc::Version())
      .Text("compiler", __VERSION__);
  return json.Finish();
}

// [..] of strings.
std::string ListJson(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) {
    absl::StrAppend(&list, list.empty() ? "" : ",", json::Quote(text));
  }
  return absl::StrCat("[", list, "]");
}

work::Task<absl::StatusOr<runtime::v1::StatusResponse>> StatusOf(
    Services& services, bool verbose) {
  // What it would look at is being recovered as well.
  const absl::Status start = StartOf(services);
  absl::Status network = start;
  if (start.ok()) network = co_await CheckNetwork(services.node);
  runtime::v1::StatusResponse status;
  *status.mutable_status()->add_conditions() = Condition("RuntimeReady", start);
  *status.mutable_status()->add_conditions() =
      Condition("NetworkReady", network);
  *status.mutable_runtime_handlers() = RuntimeHandlers(services.host);
  runtime::v1::RuntimeFeatures& features = *status.mutable_features();
  features.set_supplemental_groups_policy(true);
  features.set_user_namespaces_host_network(
      services.host.user_namespaces_host_network);
  features.set_mount_options(true);
  if (verbose) {
    auto& info = *status.mutable_info();
    info["config"] = services.facts.config_json;
    info["versions"] = VersionsJson();
    info["host"] = HostJson(services);
    info["degraded"] = ListJson(services.node.degraded.List());
    info["network"] = NetworkJson(services);
    info["pod_cidr"] = json::Quote(services.node.pod_cidr.Get());
  }
  co_return status;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::Version(
    grpc::CallbackServerContext* context,
    const runtime::v1::VersionRequest* /*request*/,
    runtime::v1::VersionResponse* response) {
  runtime::v1::VersionResponse version;
  version.set_version(kKubeApiVersion);
  version.set_runtime_name(kRuntimeName);
  version.set_runtime_version(kRuntimeVersion);
  version.set_runtime_api_version(kCriVersion);
  return AnswerNow<runtime::v1::VersionResponse>(context, {"Version", ""},
                                                 std::move(version), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::Status(
    grpc::CallbackServerContext* context,
    const runtime::v1::StatusRequest* request,
    runtime::v1::StatusResponse* response) {
  return AnswerLater(services_.node.tasks, context, {"Status", ""},
                     StatusOf(services_, request->verbose()), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::RuntimeConfig(
    grpc::CallbackServerContext* context,
    const runtime::v1::RuntimeConfigRequest* /*request*/,
    runtime::v1::RuntimeConfigResponse* response) {
  runtime::v1::RuntimeConfigResponse config;
  config.mutable_linux()->set_cgroup_driver(services_.host.systemd_cgroups
                                                ? runtime::v1::SYSTEMD
                                                : runtime::v1::CGROUPFS);
  return AnswerNow<runtime::v1::RuntimeConfigResponse>(
      context, {"RuntimeConfig", ""}, std::move(config), response);
}

grpc::ServerUnaryReactor* RuntimeRpcs::UpdateRuntimeConfig(
    grpc::CallbackServerContext* context,
    const runtime::v1::UpdateRuntimeConfigRequest* request,
    runtime::v1::UpdateRuntimeConfigResponse* response) {
  const std::string& pod_cidr =
      request->runtime_config().network_config().pod_cidr();
  absl::StatusOr<runtime::v1::UpdateRuntimeConfigResponse> result =
      runtime::v1::UpdateRuntimeConfigResponse();
  // Empty: leave it as it is.
  if (!pod_cidr.empty()) {
    absl::Status kept = CheckPodCidr(pod_cidr);
    if (kept.ok()) kept = services_.node.pod_cidr.Set(pod_cidr);
    if (!kept.ok()) result = kept;
  }
  return AnswerNow(context, {"UpdateRuntimeConfig", ""}, std::move(result),
                   response);
}

}  // namespace gantry::cri
