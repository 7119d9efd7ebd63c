// How pods get onto a network: what the server asks for, whoever provides it.
//
// A provider keeps nothing on disk. What a pod was given is in the pod's
// record, written by the caller; Recover is handed all of it when the server
// starts. Thread safety: all methods from any thread; calls for one pod are the
// caller's to serialise. Attach, Detach, Recover and Mend block for a few
// milliseconds on the kernel; Check and Facts never wait.

#ifndef GANTRY_RUNTIME_NET_POD_NETWORK_H_
#define GANTRY_RUNTIME_NET_POD_NETWORK_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

struct AttachRequest {
  std::string pod_id;
  // The pod's network namespace; borrowed.
  int netns_fd = -1;
  std::vector<PortMapping> ports;
};

// A pod that is on the network.
struct AttachedPod {
  std::string pod_id;
  std::vector<IpAddress> ips;
  std::vector<PortMapping> ports;
};

class PodNetwork {
 public:
  virtual ~PodNetwork() = default;

  // Puts the pod's namespace on the network; its addresses, the first one
  // foremost. On failure nothing of it is left. FAILED_PRECONDITION: this host
  // cannot, or a port is taken; RESOURCE_EXHAUSTED: no address is left.
  virtual absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) = 0;

  // Takes the pod off the network and gives up its addresses and ports, before
  // its namespace is given up. Unknown is OK, the namespace need not be there.
  virtual absl::Status Detach(const std::string& pod_id) = 0;

  // Once, at start, before any other call but Detach: `pods` are on the
  // network, and nobody else is. What else is found of this provider's is
  // removed. An error is also Check's.
  virtual absl::Status Recover(const std::vector<AttachedPod>& pods) = 0;

  // Why pods cannot be attached now, as far as is known; OK if they can.
  virtual absl::Status Check() const = 0;
  // Tries again what Check complains of.
  virtual void Mend() = 0;
  // The server ends: gives back what no pod needs.
  virtual void Close() = 0;

  // What it is, for people: pairs of a name and a value.
  virtual std::vector<std::pair<std::string, std::string>> Facts() const = 0;
};

// Pods have loopback only.
class NoPodNetwork : public PodNetwork {
 public:
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) override {
    if (request.ports.empty()) return std::vector<IpAddress>();
    return absl::FailedPreconditionError(
        "map ports of the host: pods have no network here "
        "(network.provider is \"none\")");
  }
  absl::Status Detach(const std::string& /*pod_id*/) override {
    return absl::OkStatus();
  }
  absl::Status Recover(const std::vector<AttachedPod>& /*pods*/) override {
    return absl::OkStatus();
  }
  absl::Status Check() const override { return absl::OkStatus(); }
  void Mend() override {}
  void Close() override {}
  std::vector<std::pair<std::string, std::string>> Facts() const override {
    return {{"provider", "none"}};
  }
};

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_POD_NETWORK_H_
