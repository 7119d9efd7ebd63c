// The host's own settings that a bridged network needs: sysctls.
//
// Forwarding is switched on for the whole host, as every runtime with a bridge
// does; it is not switched off again, for others may have come to need it.
// Thread safety: any thread. Blocks for a few files below /proc/sys.
// Source: Documentation/networking/ip-sysctl.rst of the kernel.

#ifndef GANTRY_RUNTIME_NET_BRIDGE_HOST_SETTINGS_H_
#define GANTRY_RUNTIME_NET_BRIDGE_HOST_SETTINGS_H_

#include <string>

#include "absl/status/status.h"

namespace gantry::net {

// Whether the kernel has IPv6 at all. `sysfd` is a descriptor of /proc/sys.
bool HasIpv6(int sysfd);

// Before the bridge gets addresses: forwarding of the families in use; for the
// bridge no router advertisements (CVE-2020-10749), no redirects, IPv6 even if
// the host has it off by default, without a look for duplicates of its
// addresses, and the host's loopback as a source
// (route_localnet), for ports of 127.0.0.1.
// A host that forwards takes router advertisements no more unless told to: an
// interface that did so goes on doing so (accept_ra 2).
absl::Status SetHostSettings(int sysfd, const std::string& bridge, bool v4,
                             bool v6);

}  // namespace gantry::net

#endif  // GANTRY_RUNTIME_NET_BRIDGE_HOST_SETTINGS_H_
