#include "server/core/pod_attach.h"

#include <fcntl.h>

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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
  attached.provider = pod.network_provider();
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

net::AttachRequest RequestOf(const record::PodRecord& pod, net::PodDns dns,
                             absl::string_view pod_cidr) {
  net::AttachRequest request;
  request.pod_id = pod.id();
  request.ports = AttachedOf(pod).ports;
  request.provider = pod.network_provider();
  request.name = pod.metadata().name();
  request.name_space = pod.metadata().namespace_();
  request.uid = pod.metadata().uid();
  request.annotations = {pod.annotations().begin(), pod.annotations().end()};
  request.dns = std::move(dns);
  for (absl::string_view cidr :
       absl::StrSplit(pod_cidr, ',', absl::SkipEmpty())) {
    absl::StatusOr<net::IpPrefix> range = net::ParsePrefix(cidr);
    if (range.ok()) request.pod_cidrs.push_back(*range);
  }
  request.cgroup_path = pod.cgroup_path();
  return request;
}

work::Task<absl::StatusOr<std::vector<net::IpAddress>>> AttachPod(
    Node& node, const record::PodRecord& pod, net::PodDns dns,
    std::function<bool()> await_cgroup) {
  const std::string pin =
      absl::StrCat(node.paths.PodRun(pod.id()), "/", kNetworkPin);
  CO_ASSIGN_OR_RETURN(UniqueFd netns, sys::OpenAt(AT_FDCWD, pin, O_RDONLY));
  net::AttachRequest request =
      RequestOf(pod, std::move(dns), node.pod_cidr.Get());
  request.netns_fd = netns.get();
  request.netns_path = pin;
  request.await_cgroup = std::move(await_cgroup);
  auto attach = [&node, &request] { return node.network.Attach(request); };
  co_return co_await work::RunOn(node.network_executor, node.executor, attach);
}

work::Task<absl::Status> DetachPod(Node& node, record::PodRecord pod) {
  auto detach = [&node, &pod] {
    return node.network.Detach(pod.id(), pod.network_provider());
  };
  absl::Status detached =
      co_await work::RunOn(node.network_executor, node.executor, detach);
  CO_RETURN_IF_ERROR(detached) << "take pod " << pod.id() << " off the network";
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
      co_await work::RunOn(node.network_executor, node.executor, recover);
  LOG_IF(ERROR, !recovered.ok())
      << "the pods' network is not ready: " << recovered;
}

work::Task<void> SweepNetwork(Node& node) {
  std::set<std::string> known;
  std::vector<std::string> ready;
  for (const PodPtr& pod : node.pods.List()) {
    known.insert(pod->id());
    if (pod->state() == record::PodRecord::READY && pod->own_network()) {
      ready.push_back(pod->id());
    }
  }
  auto sweep = [&node, &known] {
    return node.network.Sweep(known, /*in_use=*/true);
  };
  std::vector<absl::Status> errors =
      co_await work::RunOn(node.network_executor, node.executor, sweep);
  for (const absl::Status& error : errors) {
    LOG(WARNING) << "sweep the pods' network: " << error;
  }
  size_t complaints = 0;
  std::string first;
  for (const std::string& id : ready) {
    work::KeyedLock::Guard guard = co_await node.pod_locks.Acquire(id);
    absl::StatusOr<PodPtr> pod = node.pods.Get(id);
    if (!pod.ok() || (*pod)->state() != record::PodRecord::READY) continue;
    auto check = [&node, &id] { return node.network.CheckPod(id); };
    absl::Status checked =
        co_await work::RunOn(node.network_executor, node.executor, check);
    if (checked.ok() || ++complaints > 1) continue;
    first = absl::StrCat("pod ", id, ": ", checked.message());
  }
  LOG(INFO) << "looked at the network of " << ready.size() << " pods";
  // In one line: some plugins complain of every pod.
  LOG_IF(WARNING, complaints > 0)
      << complaints << " pods are not on their network as they were put there; "
      << first;
}

}  // namespace gantry::core
