// Where metrics are served, as the configuration says it.
//
// Thread safety: pure.

#ifndef GANTRY_SERVER_METRICS_ADDRESS_H_
#define GANTRY_SERVER_METRICS_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry::metrics {

struct Address {
  // As text, without brackets.
  std::string ip;
  uint16_t port = 0;
};

// "127.0.0.1:9323" or "[::1]:9323": an IP address and a port from 1 on.
std::optional<Address> ParseAddress(absl::string_view text);

}  // namespace gantry::metrics

#endif  // GANTRY_SERVER_METRICS_ADDRESS_H_
