#include "server/cri/translate_ports.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/net/ip.h"
#include "server/cri/check.h"

namespace gantry::cri {
namespace {

constexpr int kMostPort = 65535;

absl::StatusOr<record::PortMapping> PortFromCri(
    const runtime::v1::PortMapping& from, const std::string& field) {
  record::PortMapping to;
  switch (from.protocol()) {
    case runtime::v1::TCP:
      to.set_protocol(record::PortMapping::TCP);
      break;
    case runtime::v1::UDP:
      to.set_protocol(record::PortMapping::UDP);
      break;
    case runtime::v1::SCTP:
      to.set_protocol(record::PortMapping::SCTP);
      break;
    default:
      return BadField(
          absl::StrCat(field, ".protocol"),
          absl::StrCat("unknown protocol ", static_cast<int>(from.protocol())));
  }
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".host_port"),
                             from.host_port(), 0, kMostPort));
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".container_port"),
                             from.container_port(), from.host_port() != 0,
                             kMostPort));
  to.set_host_port(static_cast<uint32_t>(from.host_port()));
  to.set_pod_port(static_cast<uint32_t>(from.container_port()));
  if (from.host_ip().empty()) return to;
  absl::StatusOr<net::IpAddress> host_ip = net::ParseIp(from.host_ip());
  if (!host_ip.ok()) {
    return BadValue(absl::StrCat(field, ".host_ip"), "an IP address",
                    from.host_ip());
  }
  to.set_host_ip(host_ip->ToString());
  return to;
}

bool IsAny(const std::string& host_ip) {
  return host_ip == "0.0.0.0" || host_ip == "::";
}

// Whether a packet could be for both.
bool Collide(const record::PortMapping& a, const record::PortMapping& b) {
  if (a.protocol() != b.protocol() || a.host_port() != b.host_port()) {
    return false;
  }
  if (a.host_ip().empty() || b.host_ip().empty()) return true;
  const bool same_family = (a.host_ip().find(':') == std::string::npos) ==
                           (b.host_ip().find(':') == std::string::npos);
  return same_family && (a.host_ip() == b.host_ip() || IsAny(a.host_ip()) ||
                         IsAny(b.host_ip()));
}

}  // namespace

absl::StatusOr<std::vector<record::PortMapping>> PortsFromCri(
    const runtime::v1::PodSandboxConfig& config,
    const spec::Namespaces& namespaces) {
  std::vector<record::PortMapping> ports;
  for (int i = 0; i < config.port_mappings_size(); ++i) {
    const std::string field = At("config.port_mappings", i);
    ASSIGN_OR_RETURN(record::PortMapping port,
                     PortFromCri(config.port_mappings(i), field));
    if (port.host_port() == 0 || namespaces.network() == spec::NODE) continue;
    for (const record::PortMapping& other : ports) {
      if (Collide(port, other)) {
        return BadField(absl::StrCat(field, ".host_port"),
                        absl::StrCat(port.host_port(), " is mapped twice"));
      }
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

}  // namespace gantry::cri
