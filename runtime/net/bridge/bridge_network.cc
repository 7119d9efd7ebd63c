#include "runtime/net/bridge/bridge_network.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/net/bridge/conntrack.h"
#include "runtime/net/bridge/nftables.h"
#include "runtime/net/bridge/ruleset.h"

namespace gantry::net {

BridgeNetwork::BridgeNetwork(BridgeSettings settings)
    : settings_(std::move(settings)),
      table_(TableOf(settings_.bridge)),
      ready_(absl::FailedPreconditionError("the network is not set up yet")) {
  for (const IpPrefix& subnet : settings_.subnets) pools_.emplace_back(subnet);
}

absl::Status BridgeNetwork::SetUp() {
  std::vector<IpAddress> in_use;
  std::vector<nft::Element> elements;
  std::set<std::string> ids;
  for (const AttachedPod& pod : Pods()) {
    ids.insert(pod.pod_id);
    in_use.insert(in_use.end(), pod.ips.begin(), pod.ips.end());
    for (nft::Element& element : nft::ElementsOf(pod)) {
      elements.push_back(std::move(element));
    }
  }
  std::vector<IpPrefix> subnets = settings_.subnets;
  auto replace_table = [&] {
    return nft::ReplaceTable(
        nft::BuildRuleset(table_, settings_.bridge, subnets), elements);
  };
  // The table first: where there are no nftables, nothing else is touched.
  absl::Status status = replace_table();
  if (status.ok()) {
    absl::StatusOr<Bridge> bridge = SetUpBridge(settings_, in_use, subnets);
    status = bridge.status();
    if (status.ok()) status = AdoptPods(*bridge, ids);
    absl::MutexLock lock(&mutex_);
    if (bridge.ok()) mtu_ = bridge->mtu;
  }
  // Ranges of earlier settings that are still in use.
  if (status.ok() && subnets != settings_.subnets) status = replace_table();
  if (!status.ok() && ids.empty()) nft::DeleteTable(table_).IgnoreError();
  absl::MutexLock lock(&mutex_);
  ready_ = status;
  return status;
}

// Somebody may have flushed all tables, or taken the bridge away.
bool BridgeNetwork::IsSetUp() const {
  return ready().ok() && nft::HasTable(table_) &&
         FindBridge(settings_.bridge).ok();
}

absl::StatusOr<Bridge> BridgeNetwork::ReadyBridge() {
  if (!IsSetUp()) {
    absl::MutexLock lock(&setup_mutex_);
    // Another one may have set it up meanwhile.
    if (!IsSetUp()) {
      RETURN_IF_ERROR(SetUp());
    }
  }
  ASSIGN_OR_RETURN(int index, FindBridge(settings_.bridge));
  absl::MutexLock lock(&mutex_);
  return Bridge{settings_.bridge, index, mtu_};
}

absl::StatusOr<AttachedPod> BridgeNetwork::Reserve(
    const AttachRequest& request) {
  AttachedPod pod{request.pod_id, {}, request.ports, kBridgeProvider};
  absl::MutexLock lock(&mutex_);
  if (pods_.contains(request.pod_id)) {
    return absl::AlreadyExistsError(
        absl::StrCat("pod ", request.pod_id, " is on the network already"));
  }
  RETURN_IF_ERROR(ports_.Take(request.pod_id, request.ports));
  for (AddressPool& pool : pools_) {
    absl::StatusOr<IpAddress> address = pool.Take();
    if (!address.ok()) {
      for (const IpAddress& taken : pod.ips) {
        for (AddressPool& other : pools_) other.Release(taken);
      }
      ports_.Release(request.pod_id);
      return address.status();
    }
    pod.ips.push_back(*address);
  }
  pods_[request.pod_id] = pod;
  return pod;
}

void BridgeNetwork::Forget(const std::string& pod_id) {
  absl::MutexLock lock(&mutex_);
  auto pod = pods_.find(pod_id);
  if (pod == pods_.end()) return;
  for (const IpAddress& address : pod->second.ips) {
    for (AddressPool& pool : pools_) pool.Release(address);
  }
  ports_.Release(pod_id);
  pods_.erase(pod);
}

std::vector<AttachedPod> BridgeNetwork::Pods() const {
  absl::MutexLock lock(&mutex_);
  std::vector<AttachedPod> pods;
  for (const auto& [id, pod] : pods_) pods.push_back(pod);
  return pods;
}

absl::Status BridgeNetwork::Connect(const Bridge& bridge,
                                    const AttachedPod& pod, int netns_fd) {
  for (const PortMapping& mapping : pod.ports) {
    if (!IsListenedTo(mapping)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(PortText(mapping), " is taken by a program of the host"));
  }
  PodLink link{pod.pod_id, netns_fd, {}, {}};
  for (size_t i = 0; i < pod.ips.size(); ++i) {
    const IpPrefix& subnet = settings_.subnets[i];
    link.addresses.push_back({pod.ips[i], subnet.bits});
    link.gateways.push_back(subnet.At(1));
  }
  RETURN_IF_ERROR(AttachPod(bridge, link));
  RETURN_IF_ERROR(nft::AddElements(table_, nft::ElementsOf(pod)));
  return ForgetFlows(pod.ports);
}

absl::StatusOr<std::vector<IpAddress>> BridgeNetwork::Attach(
    const AttachRequest& request) {
  ASSIGN_OR_RETURN(Bridge bridge, ReadyBridge());
  ASSIGN_OR_RETURN(AttachedPod pod, Reserve(request));
  absl::Status connected;
  {
    absl::ReaderMutexLock lock(&setup_mutex_);
    connected = Connect(bridge, pod, request.netns_fd);
  }
  if (connected.ok()) return pod.ips;
  // What cannot be undone keeps addresses and ports until a Detach can.
  absl::Status undone = TakeOff(request.pod_id);
  if (undone.ok()) return connected;
  return Annotate(connected,
                  absl::StrCat("(not undone: ", undone.message(), ")"));
}

absl::Status BridgeNetwork::Detach(const std::string& pod_id,
                                   absl::string_view /*provider*/) {
  return TakeOff(pod_id);
}

absl::Status BridgeNetwork::TakeOff(const std::string& pod_id) {
  absl::ReaderMutexLock setup_lock(&setup_mutex_);
  std::vector<nft::Element> elements;
  {
    absl::MutexLock lock(&mutex_);
    auto pod = pods_.find(pod_id);
    if (pod != pods_.end()) elements = nft::ElementsOf(pod->second);
  }
  // Given up only once nobody is reached by them any more.
  RETURN_IF_ERROR(nft::DeleteElements(table_, elements));
  RETURN_IF_ERROR(CutOffPod(pod_id));
  Forget(pod_id);
  return absl::OkStatus();
}

absl::Status BridgeNetwork::Recover(const std::vector<AttachedPod>& pods) {
  std::set<std::string> ids;
  {
    absl::MutexLock lock(&mutex_);
    for (const AttachedPod& pod : pods) {
      ids.insert(pod.pod_id);
      for (const IpAddress& address : pod.ips) {
        for (AddressPool& pool : pools_) pool.Note(address);
      }
      // Two pods cannot have had one port: nothing to be done if they do.
      ports_.Take(pod.pod_id, pod.ports).IgnoreError();
      pods_[pod.pod_id] = pod;
    }
  }
  absl::MutexLock lock(&setup_mutex_);
  RETURN_IF_ERROR(SetUp());
  ASSIGN_OR_RETURN(int index, FindBridge(settings_.bridge));
  return SweepPods(index, ids);
}

absl::Status BridgeNetwork::ready() const {
  absl::MutexLock lock(&mutex_);
  return ready_;
}

void BridgeNetwork::Mend() {
  absl::MutexLock lock(&setup_mutex_);
  if (!ready().ok()) SetUp().IgnoreError();
}

void BridgeNetwork::Close() {
  absl::MutexLock lock(&setup_mutex_);
  // What was never set up is not this one's to take down.
  if (!ready().ok() || !Pods().empty()) return;
  nft::DeleteTable(table_).IgnoreError();
  RemoveBridge(settings_.bridge).IgnoreError();
}

std::vector<std::pair<std::string, std::string>> BridgeNetwork::Facts() const {
  std::vector<std::string> subnets;
  for (const IpPrefix& subnet : settings_.subnets) {
    subnets.push_back(subnet.ToString());
  }
  absl::MutexLock lock(&mutex_);
  return {{"provider", kBridgeProvider},
          {"bridge", settings_.bridge},
          {"subnets", absl::StrJoin(subnets, ",")},
          {"mtu", absl::StrCat(mtu_)},
          {"nftables_table", table_},
          {"pods", absl::StrCat(pods_.size())}};
}

}  // namespace gantry::net
