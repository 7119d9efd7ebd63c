#include "runtime/plan/devices.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/plan/paths.h"

namespace gantry::plan {
namespace {

// Of a node whose description names none (runtime-spec, "Devices": 0666).
constexpr uint32_t kDescribedMode = 0666;

struct Node {
  const char* path;
  uint32_t major;
  uint32_t minor;
};

// Numbers: Documentation/admin-guide/devices.txt.
constexpr Node kNull = {"/dev/null", 1, 3};
constexpr Node kDefaultNodes[] = {
    kNull,
    {"/dev/zero", 1, 5},
    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8},
    {"/dev/urandom", 1, 9},
    {"/dev/tty", 5, 0},
};

constexpr std::pair<const char*, const char*> kSymlinks[] = {
    {"/dev/fd", "/proc/self/fd"},       {"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
    {"/dev/ptmx", "pts/ptmx"},          {"/dev/core", "/proc/kcore"},
};

void AddRule(bool allow, absl::string_view type, int64_t major, int64_t minor,
             absl::string_view access, CgroupPlan& cgroup) {
  spec::DeviceRule* rule = cgroup.add_device_rules();
  rule->set_allow(allow);
  rule->set_type(type.data(), type.size());
  if (major >= 0) rule->set_major(major);
  if (minor >= 0) rule->set_minor(minor);
  rule->set_access(access.data(), access.size());
}

// A node may be made by everyone, which opens no device; the default devices
// and the container's own terminals may be used.
void AddDefaultRules(CgroupPlan& cgroup) {
  AddRule(true, "c", -1, -1, "m", cgroup);
  AddRule(true, "b", -1, -1, "m", cgroup);
  for (const Node& node : kDefaultNodes) {
    AddRule(true, "c", node.major, node.minor, "rwm", cgroup);
  }
  AddRule(true, "c", 5, 2, "rwm", cgroup);
  AddRule(true, "c", 136, -1, "rwm", cgroup);
}

DeviceNode ToDevice(const Node& node) {
  DeviceNode device;
  device.set_path(node.path);
  device.set_type("c");
  device.set_major(node.major);
  device.set_minor(node.minor);
  device.set_mode(0666);
  return device;
}

// Puts `device` in the place of one with the same path, or last.
void Put(DeviceNode device, std::vector<DeviceNode>& devices) {
  for (DeviceNode& existing : devices) {
    if (existing.path() != device.path()) continue;
    existing = std::move(device);
    return;
  }
  devices.push_back(std::move(device));
}

absl::Status CheckPermissions(const spec::Device& device) {
  if (!device.permissions().empty() &&
      device.permissions().find_first_not_of("rwm") == std::string::npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("devices: ", device.host_path(), ": permissions \"",
                   device.permissions(), "\" are not of \"rwm\""));
}

// As the client describes it, without a look at the host.
DeviceNode Described(const spec::Device& wanted, const std::string& host_path) {
  DeviceNode device;
  device.set_path(host_path);
  device.set_type(wanted.type() == "u" ? "c" : wanted.type());
  device.set_major(wanted.major());
  device.set_minor(wanted.minor());
  device.set_mode(kDescribedMode);
  return device;
}

absl::StatusOr<std::vector<DeviceNode>> FindWanted(const spec::Device& wanted,
                                                   const std::string& host_path,
                                                   const HostFacts& facts) {
  if (wanted.type().empty()) return facts.devices->Find(host_path);
  return std::vector<DeviceNode>{Described(wanted, host_path)};
}

// A device found at or below the wanted one's clean host path.
absl::Status AddClientDevice(const spec::Device& wanted,
                             absl::string_view host_path, DeviceNode device,
                             std::vector<DeviceNode>& devices,
                             CgroupPlan& cgroup) {
  device.set_host_path(device.path());
  if (!wanted.container_path().empty()) {
    device.set_path(
        absl::StrCat(wanted.container_path(),
                     absl::StripPrefix(device.host_path(), host_path)));
  }
  ASSIGN_OR_RETURN(*device.mutable_path(),
                   CleanAbsolutePath(device.path(), "devices.container_path"));
  if (wanted.has_mode()) device.set_mode(wanted.mode());
  if (wanted.has_uid()) device.set_uid(wanted.uid());
  if (wanted.has_gid()) device.set_gid(wanted.gid());
  if (device.type() != "p") {
    AddRule(true, device.type(), device.major(), device.minor(),
            wanted.permissions(), cgroup);
  }
  Put(std::move(device), devices);
  return absl::OkStatus();
}

absl::Status AddClientDevices(const spec::ContainerSpec& spec,
                              const HostFacts& facts,
                              std::vector<DeviceNode>& devices,
                              CgroupPlan& cgroup) {
  for (const spec::Device& wanted : spec.devices()) {
    RETURN_IF_ERROR(CheckPermissions(wanted));
    ASSIGN_OR_RETURN(
        std::string host_path,
        CleanAbsolutePath(wanted.host_path(), "devices.host_path"));
    ASSIGN_OR_RETURN(std::vector<DeviceNode> found,
                     FindWanted(wanted, host_path, facts),
                     absl::StrCat("devices: ", wanted.host_path()));
    for (DeviceNode& device : found) {
      RETURN_IF_ERROR(AddClientDevice(wanted, host_path, std::move(device),
                                      devices, cgroup));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PlanDevices(const spec::ContainerSpec& spec,
                         const HostFacts& facts, bool own_dev, InitPlan& init,
                         CgroupPlan& cgroup) {
  AddDefaultRules(cgroup);
  if (spec.pause()) {
    *init.add_devices() = ToDevice(kNull);
    return absl::OkStatus();
  }
  std::vector<DeviceNode> devices;
  for (const Node& node : kDefaultNodes) devices.push_back(ToDevice(node));
  if (spec.security().privileged()) {
    AddRule(true, "a", -1, -1, "rwm", cgroup);
    if (!own_dev) {
      ASSIGN_OR_RETURN(std::vector<DeviceNode> all, facts.devices->All(),
                       "devices of the host");
      for (DeviceNode& device : all) Put(std::move(device), devices);
    }
  }
  RETURN_IF_ERROR(AddClientDevices(spec, facts, devices, cgroup));
  for (const spec::DeviceRule& rule : spec.device_rules()) {
    *cgroup.add_device_rules() = rule;
  }
  if (own_dev) return absl::OkStatus();
  for (DeviceNode& device : devices) *init.add_devices() = std::move(device);
  for (const auto& [path, target] : kSymlinks) {
    Symlink* link = init.add_symlinks();
    link->set_path(path);
    link->set_target(target);
  }
  return absl::OkStatus();
}

}  // namespace gantry::plan
