#include "runtime/net/cni/attachment.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"
#include "runtime/net/cni/names.h"

namespace gantry::net::cni {
namespace {

constexpr char kIngress[] = "kubernetes.io/ingress-bandwidth";
constexpr char kEgress[] = "kubernetes.io/egress-bandwidth";
constexpr double kLeastBandwidth = 1e3;
constexpr double kMostBandwidth = 1e15;
// Bits: as much as the plugin takes in one word.
constexpr uint64_t kBurst = UINT32_MAX;

struct Suffix {
  const char* text;
  double factor;
};
constexpr Suffix kSuffixes[] = {{"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30},
                                {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60},
                                {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},
                                {"k", 1e3},     {"M", 1e6},     {"G", 1e9},
                                {"T", 1e12},    {"P", 1e15},    {"E", 1e18}};

bool IsOneOf(char c, absl::string_view set) {
  return set.find(c) != absl::string_view::npos;
}

// "KEY=VALUE" joined by semicolons; neither may be in a value.
absl::StatusOr<std::string> Args(const AttachRequest& request) {
  const std::pair<const char*, const std::string&> pairs[] = {
      {"K8S_POD_NAMESPACE", request.name_space},
      {"K8S_POD_NAME", request.name},
      {"K8S_POD_INFRA_CONTAINER_ID", request.pod_id},
      {"K8S_POD_UID", request.uid}};
  std::string args = "IgnoreUnknown=1";
  for (const auto& [key, value] : pairs) {
    const bool clean =
        std::all_of(value.begin(), value.end(), [](unsigned char c) {
          return c > ' ' && c != ';' && c != '=' && c != 0x7f;
        });
    if (!clean) {
      return absl::InvalidArgumentError(
          absl::StrCat("tell plugins ", key, ": \"", Printable(value, 64),
                       "\" has a character that CNI_ARGS cannot carry"));
    }
    absl::StrAppend(&args, ";", key, "=", value);
  }
  return args;
}

absl::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kUdp:
      return "udp";
    case Protocol::kSctp:
      return "sctp";
    default:
      return "tcp";
  }
}

std::string PortJson(const PortMapping& port, absl::string_view host_ip) {
  return absl::StrCat(
      "{\"hostPort\":", port.host_port, ",\"containerPort\":", port.pod_port,
      ",\"protocol\":", json::Quote(ProtocolName(port.protocol)),
      ",\"hostIP\":", json::Quote(host_ip), "}");
}

// A port of all addresses of both families is one without an address.
std::string PortMappings(const std::vector<PortMapping>& ports) {
  std::vector<std::string> items;
  for (const PortMapping& port : ports) {
    PortMapping other = port;
    other.host_ip = *ParseIp(port.host_ip.v6 ? "0.0.0.0" : "::");
    const bool both =
        port.host_ip.IsAny() &&
        std::find(ports.begin(), ports.end(), other) != ports.end();
    if (both && port.host_ip.v6) continue;
    items.push_back(PortJson(port, both ? "" : port.host_ip.ToString()));
  }
  return absl::StrCat("[", absl::StrJoin(items, ","), "]");
}

absl::StatusOr<std::string> Bandwidth(
    const std::map<std::string, std::string>& annotations) {
  std::vector<std::string> fields;
  for (const auto& [annotation, name] :
       {std::pair(kIngress, "ingress"), std::pair(kEgress, "egress")}) {
    auto found = annotations.find(annotation);
    if (found == annotations.end()) continue;
    ASSIGN_OR_RETURN(uint64_t rate, ParseBandwidth(found->second),
                     absl::StrCat("annotation ", annotation));
    fields.push_back(absl::StrCat("\"", name, "Rate\":", rate, ",\"", name,
                                  "Burst\":", kBurst));
  }
  if (fields.empty()) return std::string();
  return absl::StrCat("{", absl::StrJoin(fields, ","), "}");
}

// A set for each range: an address from every one of them.
std::string IpRanges(const std::vector<IpPrefix>& ranges) {
  auto set = [](std::string* out, const IpPrefix& range) {
    absl::StrAppend(out, "[{\"subnet\":", json::Quote(range.ToString()), "}]");
  };
  return absl::StrCat("[", absl::StrJoin(ranges, ",", set), "]");
}

std::string Texts(const std::vector<std::string>& texts) {
  auto quote = [](std::string* out, const std::string& text) {
    absl::StrAppend(out, json::Quote(text));
  };
  return absl::StrCat("[", absl::StrJoin(texts, ",", quote), "]");
}

std::string Dns(const PodDns& dns) {
  return absl::StrCat("{\"servers\":", Texts(dns.servers),
                      ",\"searches\":", Texts(dns.searches),
                      ",\"options\":", Texts(dns.options), "}");
}

std::string Map(const std::map<std::string, std::string>& map) {
  auto pair = [](std::string* out, const auto& item) {
    absl::StrAppend(out, json::Quote(item.first), ":",
                    json::Quote(item.second));
  };
  return absl::StrCat("{", absl::StrJoin(map, ",", pair), "}");
}

}  // namespace

absl::StatusOr<uint64_t> ParseBandwidth(absl::string_view text) {
  const auto bad = [text](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected ", why, ", found \"", Printable(text, 64), "\""));
  };
  absl::string_view number = text;
  double factor = 1;
  for (const Suffix& suffix : kSuffixes) {
    if (!absl::ConsumeSuffix(&number, suffix.text)) continue;
    factor = suffix.factor;
    break;
  }
  // Of what SimpleAtod takes, no "inf", "nan", "0x1p3" or blanks.
  for (char c : number) {
    if (absl::ascii_isdigit(c) || IsOneOf(c, "+-.eE")) {
      continue;
    }
    return bad("a quantity such as \"10M\"");
  }
  double value = 0;
  if (!absl::SimpleAtod(number, &value)) {
    return bad("a quantity such as \"10M\"");
  }
  value = std::ceil(value * factor);
  if (!(value >= kLeastBandwidth && value <= kMostBandwidth)) {
    return bad("1k to 1P bits a second");
  }
  return static_cast<uint64_t>(value);
}

absl::StatusOr<Attachment> AttachmentOf(const AttachRequest& request) {
  Attachment attachment;
  attachment.pod_id = request.pod_id;
  attachment.netns_path = request.netns_path;
  ASSIGN_OR_RETURN(attachment.args, Args(request));
  auto& capabilities = attachment.capabilities;
  if (!request.ports.empty()) {
    capabilities["portMappings"] = PortMappings(request.ports);
  }
  ASSIGN_OR_RETURN(std::string bandwidth, Bandwidth(request.annotations));
  if (!bandwidth.empty()) capabilities["bandwidth"] = std::move(bandwidth);
  if (!request.pod_cidrs.empty()) {
    capabilities["ipRanges"] = IpRanges(request.pod_cidrs);
  }
  const PodDns& dns = request.dns;
  if (!dns.servers.empty() || !dns.searches.empty() || !dns.options.empty()) {
    capabilities["dns"] = Dns(dns);
  }
  if (!request.cgroup_path.empty()) {
    capabilities["cgroupPath"] = json::Quote(request.cgroup_path);
  }
  if (!request.annotations.empty()) {
    capabilities["io.kubernetes.cri.pod-annotations"] =
        Map(request.annotations);
  }
  return attachment;
}

}  // namespace gantry::net::cni
