#include "runtime/cdi/spec.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/cdi/names.h"
#include "runtime/cdi/yaml.h"
#include "runtime/json/json.h"

namespace gantry::cdi {
namespace {

// Oldest first. What a version brought is checked where it is read.
constexpr absl::string_view kVersions[] = {"0.3.0", "0.4.0", "0.5.0", "0.6.0",
                                           "0.7.0", "0.8.0", "1.0.0", "1.1.0"};

// The OCI hooks; named so that the error of a device that wants one can be told
// from that of a file that is wrong.
constexpr absl::string_view kHookNames[] = {"prestart",        "createRuntime",
                                            "createContainer", "startContainer",
                                            "poststart",       "poststop"};

template <size_t N>
bool IsOneOf(absl::string_view text, const absl::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

class Reader {
 public:
  explicit Reader(Format format) : format_(format) {}

  absl::StatusOr<Spec> Read(const json::Value& file) {
    RETURN_IF_ERROR(Known(file, {"cdiVersion", "kind", "annotations", "devices",
                                 "containerEdits"}));
    RETURN_IF_ERROR(ReadVersion(file));
    Spec spec;
    ASSIGN_OR_RETURN(spec.kind, file.StringField("kind"));
    if (!IsKind(spec.kind)) return file.Error("kind: is no vendor/class");
    if (spec.kind.find('.', spec.kind.find('/')) != std::string::npos) {
      RETURN_IF_ERROR(Since("0.6.0", file, "a class with a dot"));
    }
    RETURN_IF_ERROR(ReadAnnotations(file));
    if (std::optional<json::Value> edits = file.Find("containerEdits")) {
      ASSIGN_OR_RETURN(spec.edits, ReadEdits(*edits));
    }
    ASSIGN_OR_RETURN(std::vector<json::Value> devices,
                     file.ArrayField("devices"));
    if (devices.empty()) return file.Error("devices: is empty");
    for (const json::Value& value : devices) {
      ASSIGN_OR_RETURN(Device device, ReadDevice(value));
      for (const Device& other : spec.devices) {
        if (other.name == device.name) {
          return value.Error("name: appears more than once");
        }
      }
      spec.devices.push_back(std::move(device));
    }
    return spec;
  }

 private:
  absl::Status Known(const json::Value& value,
                     std::initializer_list<absl::string_view> fields) const {
    ASSIGN_OR_RETURN(auto members, value.Members());
    for (const auto& [name, member] : members) {
      if (std::find(fields.begin(), fields.end(), name) == fields.end()) {
        return value.Error(absl::StrCat("unknown field \"", name, "\""));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadVersion(const json::Value& file) {
    ASSIGN_OR_RETURN(std::string version, file.StringField("cdiVersion"));
    absl::string_view digits = absl::StripPrefix(version, "v");
    auto at = std::find(std::begin(kVersions), std::end(kVersions), digits);
    if (at == std::end(kVersions)) {
      return file.Error(absl::StrCat("cdiVersion: \"", version,
                                     "\" is none of ",
                                     absl::StrJoin(kVersions, ", ")));
    }
    version_ = at - std::begin(kVersions);
    return absl::OkStatus();
  }

  absl::Status Since(absl::string_view version, const json::Value& value,
                     absl::string_view what) const {
    auto at = std::find(std::begin(kVersions), std::end(kVersions), version);
    if (version_ >= at - std::begin(kVersions)) return absl::OkStatus();
    return value.Error(
        absl::StrCat(what, " needs cdiVersion ", version, " or later"));
  }

  absl::Status ReadAnnotations(const json::Value& value) const {
    ASSIGN_OR_RETURN(auto annotations, value.StringMapField("annotations"));
    if (annotations.empty()) return absl::OkStatus();
    return Since("0.6.0", value, "annotations");
  }

  // YAML's numbers come as text, in the forms that Go reads (0x, 0o, 0).
  absl::StatusOr<int64_t> Int(const json::Value& value) const {
    if (format_ == Format::kJson || !value.IsString()) return value.Int();
    ASSIGN_OR_RETURN(std::string text, value.String());
    std::string digits = text;
    if (absl::StartsWith(digits, "0o")) digits.replace(0, 2, "0");
    char* end = nullptr;
    errno = 0;
    const long long number = std::strtoll(digits.c_str(), &end, 0);
    if (digits.empty() || absl::ascii_isspace(digits[0]) || *end != '\0' ||
        errno != 0) {
      return value.Error(absl::StrCat("expected an integer, found ", text));
    }
    return static_cast<int64_t>(number);
  }

  absl::StatusOr<std::optional<int64_t>> OptionalInt(const json::Value& value,
                                                     absl::string_view key,
                                                     int64_t most) const {
    std::optional<json::Value> field = value.Find(key);
    if (!field.has_value()) return std::optional<int64_t>();
    ASSIGN_OR_RETURN(int64_t number, Int(*field));
    if (number < 0 || number > most) return field->Error("is out of range");
    return std::optional<int64_t>(number);
  }

  absl::StatusOr<std::optional<uint32_t>> OptionalId(
      const json::Value& value, absl::string_view key) const {
    // As everywhere: larger ones have wrapped to 0 in other programs.
    ASSIGN_OR_RETURN(
        std::optional<int64_t> id,
        OptionalInt(value, key, std::numeric_limits<int32_t>::max()));
    if (!id.has_value()) return std::optional<uint32_t>();
    return std::optional<uint32_t>(*id);
  }

  absl::StatusOr<Device> ReadDevice(const json::Value& value) {
    RETURN_IF_ERROR(Known(value, {"name", "annotations", "containerEdits"}));
    Device device;
    ASSIGN_OR_RETURN(device.name, value.StringField("name"));
    if (!IsDeviceName(device.name)) {
      return value.Error("name: is no name of a device");
    }
    if (absl::ascii_isdigit(device.name[0])) {
      RETURN_IF_ERROR(Since("0.5.0", value, "a name that begins with a digit"));
    }
    RETURN_IF_ERROR(ReadAnnotations(value));
    std::optional<json::Value> edits = value.Find("containerEdits");
    if (!edits.has_value()) return value.Error("containerEdits: is missing");
    ASSIGN_OR_RETURN(device.edits, ReadEdits(*edits));
    const Edits& read = device.edits;
    if (read.env.empty() && read.device_nodes.empty() && read.mounts.empty() &&
        read.additional_gids.empty() && read.unsupported.empty()) {
      return edits->Error("is empty");
    }
    return device;
  }

  absl::StatusOr<Edits> ReadEdits(const json::Value& value) {
    RETURN_IF_ERROR(Known(value, {"env", "deviceNodes", "netDevices", "hooks",
                                  "mounts", "intelRdt", "additionalGids"}));
    Edits edits;
    ASSIGN_OR_RETURN(edits.env, value.StringListField("env"));
    for (const std::string& variable : edits.env) {
      const size_t equals = variable.find('=');
      if (equals == std::string::npos || equals == 0) {
        return value.Error("env: expected NAME=value");
      }
    }
    ASSIGN_OR_RETURN(std::vector<json::Value> nodes,
                     value.ArrayField("deviceNodes"));
    for (const json::Value& node : nodes) {
      ASSIGN_OR_RETURN(DeviceNode read, ReadDeviceNode(node));
      edits.device_nodes.push_back(std::move(read));
    }
    ASSIGN_OR_RETURN(std::vector<json::Value> mounts,
                     value.ArrayField("mounts"));
    for (const json::Value& mount : mounts) {
      ASSIGN_OR_RETURN(Mount read, ReadMount(mount));
      edits.mounts.push_back(std::move(read));
    }
    ASSIGN_OR_RETURN(std::vector<json::Value> gids,
                     value.ArrayField("additionalGids"));
    if (!gids.empty()) {
      RETURN_IF_ERROR(Since("0.7.0", value, "additionalGids"));
    }
    for (const json::Value& gid : gids) {
      ASSIGN_OR_RETURN(int64_t id, Int(gid));
      if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
        return gid.Error("is out of range");
      }
      // The format: 0 is ignored.
      if (id != 0) edits.additional_gids.push_back(id);
    }
    RETURN_IF_ERROR(ReadUnsupported(value, edits));
    return edits;
  }

  absl::StatusOr<DeviceNode> ReadDeviceNode(const json::Value& value) const {
    RETURN_IF_ERROR(Known(value, {"path", "hostPath", "type", "major", "minor",
                                  "fileMode", "permissions", "uid", "gid"}));
    DeviceNode node;
    ASSIGN_OR_RETURN(node.path, AbsolutePath(value, "path"));
    ASSIGN_OR_RETURN(node.host_path, value.StringField("hostPath"));
    if (!node.host_path.empty()) {
      RETURN_IF_ERROR(Since("0.5.0", value, "hostPath"));
      RETURN_IF_ERROR(AbsolutePath(value, "hostPath"));
    }
    ASSIGN_OR_RETURN(node.type, value.StringField("type"));
    constexpr absl::string_view kTypes[] = {"", "b", "c", "u", "p"};
    if (!IsOneOf(node.type, kTypes)) return value.Error("type: is none");
    constexpr int64_t kMajors = (1 << 12) - 1;
    constexpr int64_t kMinors = (1 << 20) - 1;
    ASSIGN_OR_RETURN(node.major, OptionalInt(value, "major", kMajors));
    ASSIGN_OR_RETURN(node.minor, OptionalInt(value, "minor", kMinors));
    ASSIGN_OR_RETURN(std::optional<int64_t> mode,
                     OptionalInt(value, "fileMode", 07777));
    if (mode.has_value()) node.file_mode = *mode;
    ASSIGN_OR_RETURN(node.permissions, value.StringField("permissions"));
    if (node.permissions.find_first_not_of("rwm") != std::string::npos) {
      return value.Error("permissions: are not of \"rwm\"");
    }
    ASSIGN_OR_RETURN(node.uid, OptionalId(value, "uid"));
    ASSIGN_OR_RETURN(node.gid, OptionalId(value, "gid"));
    return node;
  }

  absl::StatusOr<Mount> ReadMount(const json::Value& value) const {
    RETURN_IF_ERROR(
        Known(value, {"hostPath", "containerPath", "options", "type"}));
    Mount mount;
    ASSIGN_OR_RETURN(mount.host_path, AbsolutePath(value, "hostPath"));
    ASSIGN_OR_RETURN(mount.container_path,
                     AbsolutePath(value, "containerPath"));
    ASSIGN_OR_RETURN(mount.options, value.StringListField("options"));
    ASSIGN_OR_RETURN(mount.type, value.StringField("type"));
    if (!mount.type.empty()) {
      RETURN_IF_ERROR(Since("0.4.0", value, "a mount's type"));
    }
    return mount;
  }

  absl::StatusOr<std::string> AbsolutePath(const json::Value& value,
                                           absl::string_view key) const {
    ASSIGN_OR_RETURN(std::string path, value.StringField(key));
    if (path.empty() || path[0] != '/' ||
        path.find('\0') != std::string::npos) {
      return value.Error(absl::StrCat(key, ": is no absolute path"));
    }
    return path;
  }

  absl::Status ReadUnsupported(const json::Value& value, Edits& edits) const {
    ASSIGN_OR_RETURN(std::vector<json::Value> hooks, value.ArrayField("hooks"));
    for (const json::Value& hook : hooks) {
      RETURN_IF_ERROR(
          Known(hook, {"hookName", "path", "args", "env", "timeout"}));
      ASSIGN_OR_RETURN(std::string name, hook.StringField("hookName"));
      if (!IsOneOf(name, kHookNames)) {
        return hook.Error("hookName: is no hook");
      }
      ASSIGN_OR_RETURN(std::string path, AbsolutePath(hook, "path"));
      if (edits.unsupported.empty()) {
        edits.unsupported =
            absl::StrCat("the ", name, " hook ", path, " to be run");
      }
    }
    if (value.Find("intelRdt").has_value()) {
      RETURN_IF_ERROR(Since("0.7.0", value, "intelRdt"));
      if (edits.unsupported.empty()) edits.unsupported = "intelRdt";
    }
    ASSIGN_OR_RETURN(std::vector<json::Value> net,
                     value.ArrayField("netDevices"));
    if (!net.empty()) {
      RETURN_IF_ERROR(Since("1.1.0", value, "netDevices"));
      if (edits.unsupported.empty()) edits.unsupported = "netDevices";
    }
    return absl::OkStatus();
  }

  const Format format_;
  std::ptrdiff_t version_ = 0;
};

}  // namespace

absl::StatusOr<Spec> ParseSpec(absl::string_view text, Format format,
                               absl::string_view file) {
  std::string json(text);
  if (format == Format::kYaml) {
    ASSIGN_OR_RETURN(json, YamlToJson(text, file));
  }
  ASSIGN_OR_RETURN(json::Value value, json::Value::Parse(json, file));
  return Reader(format).Read(value);
}

}  // namespace gantry::cdi
