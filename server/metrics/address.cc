#include "server/metrics/address.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "runtime/net/ip.h"

namespace gantry::metrics {
namespace {

std::optional<uint16_t> ParsePort(absl::string_view text) {
  int port = 0;
  if (!std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &port) || port < 1 || port > UINT16_MAX) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

std::optional<Address> ParseAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  absl::string_view ip = text.substr(0, colon);
  const bool bracketed = absl::StartsWith(ip, "[") && absl::EndsWith(ip, "]");
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  const absl::StatusOr<net::IpAddress> address = net::ParseIp(ip);
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!address.ok() || address->v6 != bracketed || !port.has_value()) {
    return std::nullopt;
  }
  return Address{std::string(ip), *port};
}

}  // namespace gantry::metrics
