#include "runtime/net/cni/config.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"

namespace gantry::net::cni {
namespace {

constexpr json::Limits kLimits = {.max_bytes = 1 << 20, .max_depth = 64};
constexpr size_t kMaxPlugins = 64;
// Of a configuration that says none.
constexpr Version kUnsaidVersion = {0, 1, 0};

absl::StatusOr<json::Value> ParseObject(absl::string_view text,
                                        absl::string_view file) {
  ASSIGN_OR_RETURN(json::Value value, json::Value::Parse(text, file, kLimits));
  if (!value.IsObject()) return value.Error("expected an object");
  return value;
}

absl::StatusOr<PluginConfig> PluginOf(const json::Value& value) {
  if (!value.IsObject()) return value.Error("expected an object");
  ASSIGN_OR_RETURN(std::string type, value.StringField("type"));
  if (type.empty()) return value.Error("has no type");
  absl::Status checked = CheckPluginType(type);
  if (!checked.ok()) return value.Error(checked.message());
  PluginConfig plugin{std::move(type), {}, value};
  if (std::optional<json::Value> declared = value.Find("capabilities")) {
    ASSIGN_OR_RETURN(auto members, declared->Members());
    for (const auto& [name, wanted] : members) {
      ASSIGN_OR_RETURN(bool is_wanted, wanted.Bool());
      if (is_wanted) plugin.capabilities.insert(name);
    }
  }
  // An IPAM plugin is looked up by the plugin, in directories that it is told.
  if (std::optional<json::Value> ipam = value.Find("ipam")) {
    if (!ipam->IsObject()) return ipam->Error("expected an object");
    ASSIGN_OR_RETURN(std::string ipam_type, ipam->StringField("type"));
    checked = ipam_type.empty() ? absl::OkStatus() : CheckPluginType(ipam_type);
    if (!checked.ok()) return ipam->Error(checked.message());
  }
  return plugin;
}

// The highest of those offered that is spoken here.
absl::StatusOr<Version> ChooseVersion(const json::Value& value) {
  ASSIGN_OR_RETURN(std::vector<std::string> offered,
                   value.StringListField("cniVersions"));
  ASSIGN_OR_RETURN(std::string one, value.StringField("cniVersion"));
  if (!one.empty()) offered.push_back(one);
  if (offered.empty()) return kUnsaidVersion;
  std::optional<Version> best;
  for (const std::string& text : offered) {
    absl::StatusOr<Version> version = ParseVersion(text);
    if (version.ok() && (!best || *version > *best)) best = *version;
  }
  if (best) return *best;
  return value.Error(absl::StrCat(
      "offers CNI version ", Printable(absl::StrJoin(offered, ", "), 64),
      ", none of which is spoken here (0.1.0 to 1.1.0)"));
}

// Of old, a list says it as a string as well.
absl::StatusOr<bool> Flag(const json::Value& value, absl::string_view key) {
  std::optional<json::Value> field = value.Find(key);
  if (!field) return false;
  if (!field->IsString()) return field->Bool();
  ASSIGN_OR_RETURN(std::string text, field->String());
  if (text == "true" || text == "false") return text == "true";
  return field->Error("expected true or false");
}

absl::Status ReadList(const json::Value& value, NetworkConfig& config) {
  ASSIGN_OR_RETURN(config.disable_check, Flag(value, "disableCheck"));
  ASSIGN_OR_RETURN(config.disable_gc, Flag(value, "disableGC"));
  ASSIGN_OR_RETURN(bool only_inlined, Flag(value, "loadOnlyInlinedPlugins"));
  config.load_folder = !only_inlined;
  if (!value.Find("plugins")) {
    if (value.Find("type")) {
      return value.Error("is one plugin and not a list: name it .conf");
    }
    return config.load_folder ? absl::OkStatus()
                              : value.Error("has no plugins");
  }
  ASSIGN_OR_RETURN(std::vector<json::Value> plugins,
                   value.ArrayField("plugins"));
  if (plugins.size() > kMaxPlugins) {
    return value.Error(absl::StrCat("more than ", kMaxPlugins, " plugins"));
  }
  for (const json::Value& plugin : plugins) {
    ASSIGN_OR_RETURN(PluginConfig parsed, PluginOf(plugin));
    config.plugins.push_back(std::move(parsed));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NetworkConfig> ParseNetworkConfig(absl::string_view text,
                                                 ConfigKind kind,
                                                 absl::string_view file) {
  ASSIGN_OR_RETURN(json::Value value, ParseObject(text, file));
  NetworkConfig config;
  ASSIGN_OR_RETURN(config.name, value.StringField("name"));
  absl::Status named = CheckNetworkName(config.name);
  if (!named.ok()) {
    return value.Error(config.name.empty() ? "has no name" : named.message());
  }
  ASSIGN_OR_RETURN(config.version, ChooseVersion(value));
  if (kind == ConfigKind::kList) {
    RETURN_IF_ERROR(ReadList(value, config));
    return config;
  }
  if (value.Find("plugins") && !value.Find("type")) {
    return value.Error("is a list of plugins: name it .conflist");
  }
  ASSIGN_OR_RETURN(PluginConfig plugin, PluginOf(value));
  config.plugins.push_back(std::move(plugin));
  return config;
}

absl::StatusOr<PluginConfig> ParsePluginConfig(absl::string_view text,
                                               absl::string_view file) {
  ASSIGN_OR_RETURN(json::Value value, ParseObject(text, file));
  return PluginOf(value);
}

std::string ToJson(const NetworkConfig& config) {
  auto flag = [](bool value) { return value ? "true" : "false"; };
  return absl::StrCat(
      "{\"cniVersion\":", json::Quote(config.version.ToString()),
      ",\"disableCheck\":", flag(config.disable_check),
      ",\"disableGC\":", flag(config.disable_gc),
      ",\"loadOnlyInlinedPlugins\":true,\"name\":", json::Quote(config.name),
      ",\"plugins\":[",
      absl::StrJoin(config.plugins, ",",
                    [](std::string* out, const PluginConfig& plugin) {
                      absl::StrAppend(out, plugin.json.Dump());
                    }),
      "]}");
}

}  // namespace gantry::net::cni
