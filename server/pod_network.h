// The pod network that the configuration asks for.

#ifndef GANTRY_SERVER_POD_NETWORK_H_
#define GANTRY_SERVER_POD_NETWORK_H_

#include <memory>

#include "runtime/net/pod_network.h"
#include "server/config.h"
#include "server/core/paths.h"

namespace gantry::server {

// Never null; touches nothing of the host yet. All providers, for pods that
// earlier configurations gave to another one; what CNI keeps lies in `paths`.
std::unique_ptr<net::PodNetwork> MakePodNetwork(const Config::Network& config,
                                                const core::Paths& paths);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_POD_NETWORK_H_
