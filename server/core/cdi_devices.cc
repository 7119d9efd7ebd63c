#include "server/core/cdi_devices.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace gantry::core {
namespace {

// Those that runtime/plan knows (BindMount.options).
constexpr absl::string_view kFlags[] = {"nosuid",  "nodev",      "noexec",
                                        "noatime", "nodiratime", "relatime"};

// Sets `mount` to what the option says; false for one that is not known.
bool SetOption(absl::string_view option, spec::BindMount& mount) {
  if (option == "bind" || option == "rbind" || option == "rw" ||
      option == "private" || option == "rprivate") {
    return true;
  }
  if (option == "ro") {
    mount.set_read_only(true);
  } else if (option == "slave" || option == "rslave") {
    mount.set_propagation(spec::HOST_TO_CONTAINER);
  } else if (std::find(std::begin(kFlags), std::end(kFlags), option) !=
             std::end(kFlags)) {
    mount.add_options(option.data(), option.size());
  } else {
    return false;
  }
  return true;
}

absl::Status AddMount(const cdi::Mount& from, spec::ContainerSpec& spec) {
  if (!from.type.empty() && from.type != "bind" && from.type != "none") {
    return absl::UnimplementedError(
        absl::StrCat("CDI mount at ", from.container_path, ": type \"",
                     from.type, "\" (only bind mounts are made)"));
  }
  spec::BindMount& mount = *spec.add_mounts();
  mount.set_host_path(from.host_path);
  mount.set_container_path(from.container_path);
  for (const std::string& option : from.options) {
    if (SetOption(option, mount)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("CDI mount at ", from.container_path, ": option \"",
                     option, "\" is not known"));
  }
  return absl::OkStatus();
}

std::optional<uint32_t> NonZero(absl::string_view digits) {
  uint32_t id = 0;
  if (!absl::SimpleAtoi(digits, &id) || id == 0) return std::nullopt;
  return id;
}

struct Owner {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

Owner OwnerOf(const spec::User& user) {
  const absl::string_view text = user.user();
  const size_t colon = text.find(':');
  Owner owner;
  owner.uid = NonZero(text.substr(0, colon));
  if (user.has_gid()) {
    owner.gid = NonZero(absl::StrCat(user.gid()));
  } else if (colon != absl::string_view::npos) {
    owner.gid = NonZero(text.substr(colon + 1));
  }
  return owner;
}

void AddDevice(const cdi::DeviceNode& from, const Owner& owner,
               spec::ContainerSpec& spec) {
  spec::Device& device = *spec.add_devices();
  device.set_host_path(from.host_path.empty() ? from.path : from.host_path);
  device.set_container_path(from.path);
  device.set_permissions(from.permissions.empty() ? "rwm" : from.permissions);
  // Without numbers the node on the host tells, its type included.
  if (from.type == "p" || (!from.type.empty() && from.major.value_or(0) != 0)) {
    device.set_type(from.type);
    device.set_major(from.major.value_or(0));
    device.set_minor(from.minor.value_or(0));
  }
  if (from.file_mode.has_value()) device.set_mode(*from.file_mode);
  const std::optional<uint32_t> uid =
      from.uid.has_value() ? from.uid : owner.uid;
  const std::optional<uint32_t> gid =
      from.gid.has_value() ? from.gid : owner.gid;
  if (uid.has_value()) device.set_uid(*uid);
  if (gid.has_value()) device.set_gid(*gid);
}

}  // namespace

absl::Status ApplyCdiEdits(const cdi::Edits& edits, spec::ContainerSpec& spec) {
  spec::Process& process = *spec.mutable_process();
  // ProcessEnv lets the last of a name win.
  for (const std::string& variable : edits.env) process.add_env(variable);
  for (uint32_t gid : edits.additional_gids) {
    process.mutable_user()->add_supplemental_gids(gid);
  }
  const Owner owner = OwnerOf(process.user());
  for (const cdi::DeviceNode& node : edits.device_nodes) {
    AddDevice(node, owner, spec);
  }
  for (const cdi::Mount& mount : edits.mounts) {
    RETURN_IF_ERROR(AddMount(mount, spec));
  }
  return absl::OkStatus();
}

}  // namespace gantry::core
