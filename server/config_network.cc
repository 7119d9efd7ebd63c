// The configuration's table "network".

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/net/ip.h"
#include "server/config_keys.h"

namespace gantry::server {
namespace {

using conf::Bad;
using conf::Table;
using conf::Where;

// An interface's name as the kernel takes it (dev_valid_name).
absl::Status CheckInterface(const Where& where, absl::string_view name) {
  auto is_bad = [](char c) {
    return !absl::ascii_isgraph(c) || c == '/' || c == ':';
  };
  if (name.empty() || name.size() > 15 || name == "." || name == ".." ||
      std::any_of(name.begin(), name.end(), is_bad)) {
    return Bad(where, absl::StrCat("expected an interface's name of 1 to 15 "
                                   "characters, found \"",
                                   name, "\""));
  }
  return absl::OkStatus();
}

// Room for the network's name, the gateway, a pod and a broadcast address; no
// bit set beyond the range's length.
absl::Status CheckSubnet(const Where& where, absl::string_view text, bool v6) {
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<net::IpPrefix> range = net::ParsePrefix(text);
  const int most = v6 ? 126 : 30;
  if (!range.ok() || range->address.v6 != v6 || range->bits < 8 ||
      range->bits > most || range->At(0) != range->address) {
    return Bad(where,
               absl::StrCat("expected a range such as \"",
                            v6 ? "fd92:67a1:5c3e::/64" : "10.92.0.0/16",
                            "\" (8 to ", most, " bits), found \"", text, "\""));
  }
  return absl::OkStatus();
}

absl::Status TakeCni(Table& network, Config::Network::Cni& cni) {
  ASSIGN_OR_RETURN(Table table, network.TakeTable("cni"));
  RETURN_IF_ERROR(table.Take("config_dir", cni.config_dir));
  RETURN_IF_ERROR(CheckPath(table.At("config_dir"), cni.config_dir));
  RETURN_IF_ERROR(table.Take("plugin_dirs", cni.plugin_dirs));
  for (const std::string& directory : cni.plugin_dirs) {
    RETURN_IF_ERROR(CheckPath(table.At("plugin_dirs"), directory));
    // They are told to plugins joined by colons.
    if (absl::StrContains(directory, ':')) {
      return Bad(table.At("plugin_dirs"),
                 absl::StrCat("expected paths without a colon, found \"",
                              directory, "\""));
    }
  }
  if (cni.plugin_dirs.empty()) {
    return Bad(table.At("plugin_dirs"), "expected at least one directory");
  }
  RETURN_IF_ERROR(table.Take("network_name", cni.network_name));
  RETURN_IF_ERROR(TakeSeconds(table, "timeout_seconds", cni.timeout));
  return table.CheckAllTaken();
}

}  // namespace

absl::Status TakeNetwork(Table& top, Config::Network& network) {
  ASSIGN_OR_RETURN(Table table, top.TakeTable("network"));
  RETURN_IF_ERROR(table.Take("provider", network.provider));
  constexpr absl::string_view kProviders[] = {"auto", "bridge", "cni", "none"};
  if (std::find(std::begin(kProviders), std::end(kProviders),
                network.provider) == std::end(kProviders)) {
    return Bad(table.At("provider"),
               absl::StrCat("expected \"auto\", \"bridge\", \"cni\" or "
                            "\"none\", found \"",
                            network.provider, "\""));
  }
  RETURN_IF_ERROR(table.Take("bridge", network.bridge));
  RETURN_IF_ERROR(CheckInterface(table.At("bridge"), network.bridge));
  RETURN_IF_ERROR(table.Take("subnet4", network.subnet4));
  RETURN_IF_ERROR(CheckSubnet(table.At("subnet4"), network.subnet4, false));
  RETURN_IF_ERROR(table.Take("subnet6", network.subnet6));
  RETURN_IF_ERROR(CheckSubnet(table.At("subnet6"), network.subnet6, true));
  if (network.subnet4.empty() && network.subnet6.empty()) {
    return Bad(table.At("subnet6"), "expected subnet4 or subnet6 or both");
  }
  RETURN_IF_ERROR(table.Take("mtu", 0, 65535, network.mtu));
  // The least that the protocols can do with (RFC 791, RFC 8200).
  const int least = network.subnet6.empty() ? 68 : 1280;
  if (network.mtu != 0 && network.mtu < least) {
    return Bad(table.At("mtu"), absl::StrCat("expected 0 or at least ", least,
                                             ", found ", network.mtu));
  }
  RETURN_IF_ERROR(TakeCni(table, network.cni));
  return table.CheckAllTaken();
}

}  // namespace gantry::server
