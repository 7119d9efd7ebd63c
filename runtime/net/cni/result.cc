#include "runtime/net/cni/result.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"

namespace gantry::net::cni {
namespace {

constexpr json::Limits kLimits = {.max_bytes = 1 << 20, .max_depth = 32};
// More than any pod has; each is kept in the pod's record.
constexpr size_t kMaxInterfaces = 256;
constexpr size_t kMaxIps = 64;
// Of the loopback plugin, which some lists have: no pod is reached by it.
constexpr absl::string_view kLoopback = "lo";

struct Interface {
  std::string name;
  bool in_pod = false;
};

absl::StatusOr<std::vector<Interface>> Interfaces(const json::Value& result) {
  ASSIGN_OR_RETURN(std::vector<json::Value> items,
                   result.ArrayField("interfaces"));
  if (items.size() > kMaxInterfaces) {
    return result.Error(
        absl::StrCat("more than ", kMaxInterfaces, " interfaces"));
  }
  std::vector<Interface> interfaces;
  for (const json::Value& item : items) {
    ASSIGN_OR_RETURN(std::string name, item.StringField("name"));
    absl::Status checked = CheckInterfaceName(name);
    if (!checked.ok()) return item.Error(checked.message());
    ASSIGN_OR_RETURN(std::string sandbox, item.StringField("sandbox"));
    interfaces.push_back({std::move(name), !sandbox.empty()});
  }
  return interfaces;
}

struct Found {
  IpAddress address;
  // Nothing: the plugin does not say of which interface it is.
  std::optional<size_t> interface;
};

absl::StatusOr<IpAddress> Address(const json::Value& item,
                                  absl::string_view key) {
  ASSIGN_OR_RETURN(std::string text, item.StringField(key));
  absl::StatusOr<IpPrefix> prefix = ParsePrefix(text);
  if (!prefix.ok()) {
    return item.Error(absl::StrCat(key,
                                   ": expected an address such as "
                                   "\"10.1.0.5/16\", found \"",
                                   Printable(text, 64), "\""));
  }
  if (prefix->address.IsAny()) {
    return item.Error(absl::StrCat(key, ": \"", text, "\" is nobody's"));
  }
  return prefix->address;
}

absl::Status CheckGateway(const json::Value& item) {
  ASSIGN_OR_RETURN(std::string text, item.StringField("gateway"));
  if (text.empty() || ParseIp(text).ok()) return absl::OkStatus();
  return item.Error(absl::StrCat("gateway: expected an address, found \"",
                                 Printable(text, 64), "\""));
}

absl::StatusOr<std::vector<Found>> Ips(const json::Value& result,
                                       size_t interfaces) {
  ASSIGN_OR_RETURN(std::vector<json::Value> items, result.ArrayField("ips"));
  if (items.size() > kMaxIps) {
    return result.Error(absl::StrCat("more than ", kMaxIps, " addresses"));
  }
  std::vector<Found> ips;
  for (const json::Value& item : items) {
    Found found;
    ASSIGN_OR_RETURN(found.address, Address(item, "address"));
    RETURN_IF_ERROR(CheckGateway(item));
    ASSIGN_OR_RETURN(int64_t index, item.IntField("interface", -1));
    if (index >= 0) {
      if (static_cast<uint64_t>(index) >= interfaces) {
        return item.Error(absl::StrCat("interface: there is no interface ",
                                       index, " in the result"));
      }
      found.interface = static_cast<size_t>(index);
    }
    ips.push_back(found);
  }
  return ips;
}

// Before 0.3.0 a result has one address of each family and no interfaces.
absl::StatusOr<std::vector<Found>> OldIps(const json::Value& result) {
  std::vector<Found> ips;
  for (absl::string_view key : {"ip4", "ip6"}) {
    std::optional<json::Value> item = result.Find(key);
    if (!item) continue;
    ASSIGN_OR_RETURN(IpAddress address, Address(*item, "ip"));
    ips.push_back({address, std::nullopt});
  }
  return ips;
}

// The pod's own: of its interface, or of no interface at all; else, if the
// plugin named it otherwise, of any interface inside.
std::vector<IpAddress> Choose(const std::vector<Found>& found,
                              const std::vector<Interface>& interfaces,
                              absl::string_view pod_interface) {
  std::vector<IpAddress> own, inside;
  for (const Found& ip : found) {
    if (!ip.interface) {
      own.push_back(ip.address);
    } else if (interfaces[*ip.interface].in_pod &&
               interfaces[*ip.interface].name != kLoopback) {
      inside.push_back(ip.address);
      if (interfaces[*ip.interface].name == pod_interface) {
        own.push_back(ip.address);
      }
    }
  }
  std::vector<IpAddress>& chosen = own.empty() ? inside : own;
  std::stable_partition(chosen.begin(), chosen.end(),
                        [](const IpAddress& ip) { return !ip.v6; });
  return chosen;
}

absl::StatusOr<std::string> WithVersion(const json::Value& result,
                                        const Version& version) {
  if (result.Find("cniVersion")) return result.Dump();
  std::string json =
      absl::StrCat("{\"cniVersion\":", json::Quote(version.ToString()));
  ASSIGN_OR_RETURN(auto members, result.Members());
  for (const auto& [key, value] : members) {
    if (key == "cniVersion") continue;
    absl::StrAppend(&json, ",", json::Quote(key), ":", value.Dump());
  }
  return json + "}";
}

}  // namespace

absl::StatusOr<Result> ParseResult(absl::string_view text, Version version,
                                   absl::string_view interface,
                                   absl::string_view what) {
  ASSIGN_OR_RETURN(json::Value value, json::Value::Parse(text, what, kLimits));
  if (!value.IsObject()) return value.Error("expected an object");
  ASSIGN_OR_RETURN(std::string said,
                   value.StringField("cniVersion", version.ToString()));
  if (said.empty()) said = version.ToString();
  absl::StatusOr<Version> its = ParseVersion(said);
  if (!its.ok()) return value.Error(its.status().message());

  std::vector<Interface> interfaces;
  std::vector<Found> found;
  if (*its < kVersion030) {
    ASSIGN_OR_RETURN(found, OldIps(value));
  } else {
    ASSIGN_OR_RETURN(interfaces, Interfaces(value));
    ASSIGN_OR_RETURN(found, Ips(value, interfaces.size()));
  }
  Result result;
  result.ips = Choose(found, interfaces, interface);
  ASSIGN_OR_RETURN(result.json, WithVersion(value, *its));
  return result;
}

std::optional<PluginError> ParsePluginError(absl::string_view text) {
  absl::StatusOr<json::Value> value =
      json::Value::Parse(text, "error", kLimits);
  if (!value.ok() || !value->IsObject()) return std::nullopt;
  absl::StatusOr<int64_t> code = value->IntField("code");
  absl::StatusOr<std::string> message = value->StringField("msg");
  absl::StatusOr<std::string> details = value->StringField("details");
  if (!code.ok() || !message.ok() || !details.ok()) return std::nullopt;
  if (*code == 0 && message->empty()) return std::nullopt;
  PluginError error;
  error.code = static_cast<int>(std::clamp<int64_t>(*code, 0, INT32_MAX));
  error.message = Printable(*message);
  if (!details->empty()) {
    absl::StrAppend(&error.message, error.message.empty() ? "" : ": ",
                    Printable(*details));
  }
  return error;
}

}  // namespace gantry::net::cni
