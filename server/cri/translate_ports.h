// Ports of the host that a pod asks for.
//
// Pure functions. A mapping without a host port maps nothing, and on the
// node's network a port is the node's already: neither is kept.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_PORTS_H_
#define GANTRY_SERVER_CRI_TRANSLATE_PORTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/record.pb.h"
#include "proto/spec.pb.h"

namespace gantry::cri {

// INVALID_ARGUMENT for a port that is none, a host_ip that is no address, and
// for one host port that is mapped twice.
absl::StatusOr<std::vector<record::PortMapping>> PortsFromCri(
    const runtime::v1::PodSandboxConfig& config,
    const spec::Namespaces& namespaces);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_PORTS_H_
