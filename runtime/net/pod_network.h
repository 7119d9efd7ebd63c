// How pods get onto a network: what the server asks for, whoever provides it.
//
// What a pod was given is in the pod's record, written by the caller; Recover
// is handed all of it when the server starts. Thread safety: all methods from
// any thread; calls for one pod are the caller's to serialise. Facts never
// waits. All others block: the built-in bridge for milliseconds on the kernel,
// CNI for as long as its plugins run, up to their deadline.

#ifndef GANTRY_RUNTIME_NET_POD_NETWORK_H_
#define GANTRY_RUNTIME_NET_POD_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/ip.h"

namespace gantry::net {

enum class Protocol { kTcp, kUdp, kSctp };

// A port of the host behind which a port of the pod is.
struct PortMapping {
  Protocol protocol = Protocol::kTcp;
  uint16_t host_port = 0;
  uint16_t pod_port = 0;
  // Any (of its family): every address of the host. Both families: two
  // mappings.
  IpAddress host_ip;

  auto operator<=>(const PortMapping&) const = default;
};

// What becomes of the containers' resolv.conf.
struct PodDns {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
};

struct AttachRequest {
  std::string pod_id;
  // The pod's network namespace; borrowed.
  int netns_fd = -1;
  std::vector<PortMapping> ports;
  // By whom, as the pod's record says (ProviderForNewPods).
  std::string provider;

  // For plugins: where the namespace is pinned, and whose it is.
  std::string netns_path;
  std::string name;
  std::string name_space;
  std::string uid;
  std::map<std::string, std::string> annotations;
  PodDns dns;
  // Ranges that the client gave to this node.
  std::vector<IpPrefix> pod_cidrs;
  // Path of the pod's cgroup below each hierarchy. It may still be in the
  // making when Attach is called: this waits for it, and is false if it could
  // not be made. Empty: it is there.
  std::string cgroup_path;
  std::function<bool()> await_cgroup;
};

// A pod that is on the network.
struct AttachedPod {
  std::string pod_id;
  std::vector<IpAddress> ips;
  std::vector<PortMapping> ports;
  std::string provider;
};

// The records' words for providers.
inline constexpr char kBridgeProvider[] = "bridge";
inline constexpr char kCniProvider[] = "cni";
inline constexpr char kNoProvider[] = "none";

class PodNetwork {
 public:
  virtual ~PodNetwork() = default;

  // What AttachRequest.provider is to be for a pod that is made now.
  virtual std::string ProviderForNewPods() const = 0;

  // Puts the pod's namespace on the network; its addresses, the first one
  // foremost. On failure nothing of it is left, or Detach takes it away.
  // FAILED_PRECONDITION: this host cannot, or a port is taken;
  // RESOURCE_EXHAUSTED: no address is left.
  virtual absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) = 0;

  // Takes the pod off the network and gives up its addresses and ports, before
  // its namespace is given up. Unknown is OK, the namespace need not be there.
  // `provider` as in the pod's record; empty: whoever knows the pod.
  virtual absl::Status Detach(const std::string& pod_id,
                              absl::string_view provider) = 0;

  // Whether it knows by files of its own of pods that Recover is not told of.
  virtual bool KeepsFiles() const { return false; }

  // Once, at start, before any other call but Detach: `pods` are on the
  // network, and nobody else is. What else is found of this provider's is
  // removed, here or by Sweep. An error is also Check's.
  virtual absl::Status Recover(const std::vector<AttachedPod>& pods) = 0;

  // Once, when the server has recovered, beside other calls: takes away what
  // is left of pods but for `known`, those that have a record, in whatever
  // state. `in_use`: new pods are given to this provider, so that what nobody
  // here knows is nobody's. The errors; none of it is the caller's to mend.
  virtual std::vector<absl::Status> Sweep(
      const std::set<std::string>& /*known*/, bool /*in_use*/) {
    return {};
  }
  // Whether a pod is still on the network as it was put there, as far as the
  // provider can tell. OK for one it does not know.
  virtual absl::Status CheckPod(const std::string& /*pod_id*/) {
    return absl::OkStatus();
  }

  // Why pods cannot be attached now, as far as is known; OK if they can.
  virtual absl::Status Check() = 0;
  // Tries again what Check complains of, and what is still owed to pods that
  // are gone.
  virtual void Mend() = 0;
  virtual bool HasDebts() const { return false; }
  // The server ends: gives back what no pod needs.
  virtual void Close() = 0;

  // What it is, for people: pairs of a name and a value.
  virtual std::vector<std::pair<std::string, std::string>> Facts() const = 0;
};

// Pods have loopback only.
class NoPodNetwork : public PodNetwork {
 public:
  std::string ProviderForNewPods() const override { return kNoProvider; }
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) override {
    if (request.ports.empty()) return std::vector<IpAddress>();
    return absl::FailedPreconditionError(
        "map ports of the host: pods have no network here "
        "(network.provider is \"none\")");
  }
  absl::Status Detach(const std::string& /*pod_id*/,
                      absl::string_view /*provider*/) override {
    return absl::OkStatus();
  }
  absl::Status Recover(const std::vector<AttachedPod>& /*pods*/) override {
    return absl::OkStatus();
  }
  absl::Status Check() override { return absl::OkStatus(); }
  void Mend() override {}
  void Close() override {}
  std::vector<std::pair<std::string, std::string>> Facts() const override {
    return {{"provider", kNoProvider}};
  }
};

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_POD_NETWORK_H_
