// The client's end of a port forwarding: local listeners, whose connections
// become pairs of streams of one SPDY/3.1 connection.
//
// Blocks until the server ends the connection or a signal comes. Thread
// safety: none.

#ifndef GANTRY_TOOLS_CTL_PORT_FORWARDER_H_
#define GANTRY_TOOLS_CTL_PORT_FORWARDER_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::ctl {

struct ForwardedPort {
  // 0: any that is free.
  uint16_t local = 0;
  uint16_t remote = 0;
  bool operator==(const ForwardedPort&) const = default;
};

// "8080:80", "80" (the same on both sides) or ":80" (a free local one). Pure.
absl::StatusOr<ForwardedPort> ParseForwardedPort(absl::string_view text);

// Says on `out` where it listens ("127.0.0.1:8080 -> 80"), on `err` what fails.
// OK after SIGINT or SIGTERM.
absl::Status ForwardPorts(const std::string& url,
                          const std::vector<ForwardedPort>& ports,
                          std::ostream& out, std::ostream& err);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_PORT_FORWARDER_H_
