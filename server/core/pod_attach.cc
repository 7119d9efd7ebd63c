#include "server/core/pod_attach.h"

#include <fcntl.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::core {
namespace {

net::Protocol ProtocolOf(record::PortMapping::Protocol protocol) {
  switch (protocol) {
    case record::PortMapping::UDP:
      return net::Protocol::kUdp;
    case record::PortMapping::SCTP:
      return net::Protocol::kSctp;
    default:
      return net::Protocol::kTcp;
  }
}

}  // namespace

net::AttachedPod AttachedOf(const record::PodRecord& pod) {
  net::AttachedPod attached;
  attached.pod_id = pod.id();
  for (const std::string& ip : pod.ips()) {
    absl::StatusOr<net::IpAddress> address = net::ParseIp(ip);
    if (address.ok()) attached.ips.push_back(*address);
  }
  for (const record::PortMapping& port : pod.port_mappings()) {
    net::PortMapping mapping;
    mapping.protocol = ProtocolOf(port.protocol());
    mapping.host_port = static_cast<uint16_t>(port.host_port());
    mapping.pod_port = static_cast<uint16_t>(port.pod_port());
    std::vector<std::string> host_ips = {port.host_ip()};
    if (port.host_ip().empty()) host_ips = {"0.0.0.0", "::"};
    for (const std::string& host_ip : host_ips) {
      absl::StatusOr<net::IpAddress> address = net::ParseIp(host_ip);
      if (!address.ok()) continue;
      mapping.host_ip = *address;
      attached.ports.push_back(mapping);
    }
  }
  return attached;
}

std::map<std::string, std::string> NetworkSysctls(bool has_ipv6) {
  std::map<std::string, std::string> sysctls = {
      {"net.ipv4.conf.all.accept_redirects", "0"},
      {"net.ipv4.conf.default.accept_redirects", "0"}};
  if (has_ipv6) {
    // For interfaces to come: there is none yet but lo.
    sysctls["net.ipv6.conf.default.accept_ra"] = "0";
    sysctls["net.ipv6.conf.default.accept_redirects"] = "0";
  }
  return sysctls;
}

bool HostHasIpv6() { return sys::ExistsAt(AT_FDCWD, "/proc/sys/net/ipv6"); }

work::Task<absl::Status> AttachPod(Node& node, record::PodRecord& pod) {
  CO_ASSIGN_OR_RETURN(
      UniqueFd netns,
      sys::OpenAt(AT_FDCWD,
                  absl::StrCat(node.paths.PodRun(pod.id()), "/", kNetworkPin),
                  O_RDONLY));
  net::AttachRequest request;
  request.pod_id = pod.id();
  request.netns_fd = netns.get();
  request.ports = AttachedOf(pod).ports;
  auto attach = [&node, &request] { return node.network.Attach(request); };
  absl::StatusOr<std::vector<net::IpAddress>> ips =
      co_await work::RunOn(node.blocking_executor, node.executor, attach);
  CO_RETURN_IF_ERROR(ips);
  for (const net::IpAddress& ip : *ips) pod.add_ips(ip.ToString());
  co_return absl::OkStatus();
}

work::Task<absl::Status> DetachPod(Node& node, std::string id) {
  auto detach = [&node, &id] { return node.network.Detach(id); };
  absl::Status detached =
      co_await work::RunOn(node.blocking_executor, node.executor, detach);
  CO_RETURN_IF_ERROR(detached) << "take pod " << id << " off the network";
  co_return absl::OkStatus();
}

work::Task<void> RecoverNetwork(Node& node) {
  std::vector<net::AttachedPod> pods;
  for (const PodPtr& pod : node.pods.List()) {
    if (pod->state() == record::PodRecord::READY && !pod->ips().empty() &&
        pod->boot_id() == node.boot_id) {
      pods.push_back(AttachedOf(*pod));
    }
  }
  auto recover = [&node, &pods] { return node.network.Recover(pods); };
  absl::Status recovered =
      co_await work::RunOn(node.blocking_executor, node.executor, recover);
  LOG_IF(ERROR, !recovered.ok())
      << "the pods' network is not ready: " << recovered;
}

}  // namespace gantry::core
