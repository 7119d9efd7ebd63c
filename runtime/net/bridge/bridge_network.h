// The built-in pod network: a bridge on the host, a veth pair per pod,
// addresses of both families, masquerade and host ports.
//
// Who holds which address and port is known here in memory, from Recover and
// from then on; the kernel's state follows. Steps that fail are undone.
// Thread safety: all methods from any thread; pods come and go side by side,
// but not while the network is set up (at start, or again after a failure).

#ifndef GANTRY_RUNTIME_NET_BRIDGE_BRIDGE_NETWORK_H_
#define GANTRY_RUNTIME_NET_BRIDGE_BRIDGE_NETWORK_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/net/bridge/address_pool.h"
#include "runtime/net/bridge/links.h"
#include "runtime/net/bridge/port_table.h"
#include "runtime/net/bridge/settings.h"
#include "runtime/net/pod_network.h"

namespace gantry::net {

class BridgeNetwork : public PodNetwork {
 public:
  explicit BridgeNetwork(BridgeSettings settings);

  std::string ProviderForNewPods() const override { return kBridgeProvider; }
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) override;
  absl::Status Detach(const std::string& pod_id,
                      absl::string_view provider) override;
  absl::Status Recover(const std::vector<AttachedPod>& pods) override;
  absl::Status Check() override { return ready(); }
  void Mend() override;
  void Close() override;
  std::vector<std::pair<std::string, std::string>> Facts() const override;

 private:
  absl::Status ready() const;
  absl::Status TakeOff(const std::string& pod_id);
  // Bridge, table and rules, with the elements of all pods.
  absl::Status SetUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(setup_mutex_);
  bool IsSetUp() const;
  // The bridge, set up again if it or the table is gone or was never there.
  absl::StatusOr<Bridge> ReadyBridge();

  // Addresses and ports for the pod, noted as its own.
  absl::StatusOr<AttachedPod> Reserve(const AttachRequest& request);
  void Forget(const std::string& pod_id);
  std::vector<AttachedPod> Pods() const;
  // The kernel's part of Attach.
  absl::Status Connect(const Bridge& bridge, const AttachedPod& pod,
                       int netns_fd);

  const BridgeSettings settings_;
  const std::string table_;

  // Held alone while bridge and table are made, shared while a pod is attached
  // or detached; before mutex_.
  absl::Mutex setup_mutex_;

  mutable absl::Mutex mutex_;
  absl::Status ready_ ABSL_GUARDED_BY(mutex_);
  std::vector<AddressPool> pools_ ABSL_GUARDED_BY(mutex_);
  PortTable ports_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, AttachedPod> pods_ ABSL_GUARDED_BY(mutex_);
  uint32_t mtu_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_BRIDGE_NETWORK_H_
