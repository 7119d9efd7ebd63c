// What a client asked for that needs a connection of its own: a program run in
// a container with live streams, a container's own streams, ports of a pod.
//
// server/cri makes these from checked messages; server/streaming hands out a
// URL for each and serves it once.

#ifndef GANTRY_SERVER_CORE_STREAM_REQUEST_H_
#define GANTRY_SERVER_CORE_STREAM_REQUEST_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace gantry::core {

// At least one of the three; no err with a terminal.
struct WantedStreams {
  bool in = false;
  bool out = false;
  bool err = false;
  bool terminal = false;
};

struct ExecStreamRequest {
  std::string container_id;
  std::vector<std::string> args;
  WantedStreams streams;
};

struct AttachRequest {
  std::string container_id;
  WantedStreams streams;
};

struct PortForwardRequest {
  std::string pod_id;
  // For clients whose protocol cannot name ports itself; may be empty.
  std::vector<uint16_t> ports;
};

using StreamRequest =
    std::variant<ExecStreamRequest, AttachRequest, PortForwardRequest>;

class StreamUrls {
 public:
  virtual ~StreamUrls() = default;
  // The URL at which the request is served once, for a minute.
  // RESOURCE_EXHAUSTED: too many were not used. Thread safety: from any thread.
  virtual absl::StatusOr<std::string> UrlFor(StreamRequest request) = 0;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STREAM_REQUEST_H_
