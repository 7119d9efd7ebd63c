// A pod's way onto the pods' network and off it, between its record and the
// provider (runtime/net).
//
// The provider works on a thread of a pool of its own: a plugin that hangs does
// not keep images from being pulled. The caller holds the pod's lock, or is
// recovery.

#ifndef GANTRY_SERVER_CORE_POD_ATTACH_H_
#define GANTRY_SERVER_CORE_POD_ATTACH_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "runtime/net/ip.h"
#include "runtime/net/pod_network.h"
#include "server/core/node.h"
#include "server/work/task.h"

namespace gantry::core {

// What the record says of the network, in the provider's terms: a port of all
// addresses is one of each family. Pure. What does not parse is left out.
net::AttachedPod AttachedOf(const record::PodRecord& pod);

// What the provider is told of a pod, but for its namespace. Pure.
net::AttachRequest RequestOf(const record::PodRecord& pod, net::PodDns dns,
                             absl::string_view pod_cidr);

// What a network namespace of a pod's own is set to, unless the client says
// otherwise: it takes neither routers' advertisements (CVE-2020-10749) nor
// redirects, for its routes are ours to say. Pure.
std::map<std::string, std::string> NetworkSysctls(bool has_ipv6);
// Whether this kernel has IPv6. Blocks for one system call.
bool HostHasIpv6();

// Puts the namespace that is pinned in the pod's run directory on the network;
// its addresses there. `await_cgroup`: as in net::AttachRequest.
work::Task<absl::StatusOr<std::vector<net::IpAddress>>> AttachPod(
    Node& node, const record::PodRecord& pod, net::PodDns dns,
    std::function<bool()> await_cgroup);

// Before the namespace is given up. A pod on no network is OK.
work::Task<absl::Status> DetachPod(Node& node, record::PodRecord pod);

// Tells the provider which pods are on the network. An error is logged and
// shown by Status: everything but the network can be served.
work::Task<void> RecoverNetwork(Node& node);

// Once all pods are recovered, in the background: what is left of pods that
// are no more goes, and the network of the others is looked at. What is wrong
// is logged.
work::Task<void> SweepNetwork(Node& node);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_POD_ATTACH_H_
