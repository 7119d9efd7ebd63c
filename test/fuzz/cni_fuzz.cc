// What an administrator writes for CNI and what plugins print. Whatever is
// accepted keeps the promises of config.h and result.h.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/cni/config.h"
#include "runtime/net/cni/names.h"
#include "runtime/net/cni/result.h"
#include "runtime/net/ip.h"

namespace gantry::net::cni {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void CheckConfig(const NetworkConfig& config) {
  Check(CheckNetworkName(config.name).ok());
  Check(ParseVersion(config.version.ToString()).ok());
  Check(config.load_folder || !config.plugins.empty());
  for (const PluginConfig& plugin : config.plugins) {
    Check(CheckPluginType(plugin.type).ok());
    Check(plugin.json.IsObject());
  }
  // What goes to the disk is what comes back.
  const std::string text = ToJson(config);
  const absl::StatusOr<NetworkConfig> again =
      ParseNetworkConfig(text, ConfigKind::kList, "again");
  if (config.plugins.empty()) return;
  Check(again.ok() && ToJson(*again) == text);
}

void Read(absl::string_view text) {
  for (const ConfigKind kind : {ConfigKind::kList, ConfigKind::kPlugin}) {
    const absl::StatusOr<NetworkConfig> config =
        ParseNetworkConfig(text, kind, "f");
    if (config.ok()) CheckConfig(*config);
  }
  for (const Version version : {kVersion020, kVersion040, kVersion110}) {
    const absl::StatusOr<Result> result =
        ParseResult(text, version, "eth0", "r");
    if (!result.ok()) continue;
    for (const IpAddress& ip : result->ips) Check(!ip.IsAny());
    // The next plugin is handed it.
    const absl::StatusOr<Result> again =
        ParseResult(result->json, version, "eth0", "r");
    Check(again.ok() && again->ips == result->ips);
  }
  const std::optional<PluginError> error = ParsePluginError(text);
  if (error) Check(error->code >= 0 && error->message.size() < 4096);
}

}  // namespace
}  // namespace gantry::net::cni

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gantry::net::cni::Read(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
