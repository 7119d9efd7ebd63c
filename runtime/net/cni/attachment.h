// What a pod is to plugins: the words of CNI_ARGS and the values of
// runtimeConfig, made from what the server knows of it.
//
// Sources: the CNI specification, section 2, and CONVENTIONS.md beside it;
// CNI_ARGS and the names beyond the conventions (cgroupPath,
// io.kubernetes.cri.pod-annotations) are those that containerd and CRI-O send.
// Thread safety: values and pure functions; never blocks.

#ifndef GANTRY_RUNTIME_NET_CNI_ATTACHMENT_H_
#define GANTRY_RUNTIME_NET_CNI_ATTACHMENT_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/pod_network.h"

namespace gantry::net::cni {

// The pod's interface.
inline constexpr char kPodInterface[] = "eth0";

// One (CNI_CONTAINERID, CNI_IFNAME), with what its plugins were told.
struct Attachment {
  std::string pod_id;
  // Empty: the namespace is gone.
  std::string netns_path;
  std::string interface = kPodInterface;
  // CNI_ARGS.
  std::string args;
  // Name of a capability -> JSON of its value.
  std::map<std::string, std::string> capabilities;

  bool operator==(const Attachment&) const = default;
};

// INVALID_ARGUMENT: a name that CNI_ARGS cannot carry, a bandwidth that is no
// quantity.
absl::StatusOr<Attachment> AttachmentOf(const AttachRequest& request);

// Bits a second of a Kubernetes quantity ("10M", "1.5Gi", "2e6"), rounded up.
// INVALID_ARGUMENT if it is none, or beyond 1k to 1P, as Kubernetes has it.
absl::StatusOr<uint64_t> ParseBandwidth(absl::string_view text);

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_ATTACHMENT_H_
