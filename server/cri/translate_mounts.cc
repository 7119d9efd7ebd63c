#include "server/cri/translate_mounts.h"

#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/cdi/spec.h"
#include "runtime/image/reference.h"
#include "server/cri/check.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ContainerConfig;
using ::runtime::v1::Mount;

// Those that runtime/plan knows.
constexpr absl::string_view kMountOptions[] = {
    "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"};

absl::StatusOr<spec::Propagation> PropagationFromCri(
    runtime::v1::MountPropagation propagation, absl::string_view field) {
  switch (propagation) {
    case runtime::v1::PROPAGATION_PRIVATE:
      return spec::PRIVATE;
    case runtime::v1::PROPAGATION_HOST_TO_CONTAINER:
      return spec::HOST_TO_CONTAINER;
    case runtime::v1::PROPAGATION_BIDIRECTIONAL:
      return spec::BIDIRECTIONAL;
    default:
      return BadField(field, absl::StrCat("unknown propagation ",
                                          static_cast<int>(propagation)));
  }
}

absl::Status SetOptions(const Mount& mount, absl::string_view field,
                        spec::BindMount& to) {
  for (int i = 0; i < mount.mount_options_size(); ++i) {
    const std::string& option = mount.mount_options(i);
    if (std::find(std::begin(kMountOptions), std::end(kMountOptions),
                  absl::string_view(option)) == std::end(kMountOptions)) {
      return BadValue(
          absl::StrCat(field, ".", At("mount_options", i)),
          absl::StrCat("one of ", absl::StrJoin(kMountOptions, ", ")), option);
    }
    to.add_options(option);
  }
  return absl::OkStatus();
}

absl::Status CheckRecursiveReadOnly(const Mount& mount,
                                    const HostAbilities& host,
                                    absl::string_view field) {
  if (!mount.recursive_read_only()) return absl::OkStatus();
  const std::string path = absl::StrCat(field, ".recursive_read_only");
  if (!mount.readonly()) return BadField(path, "needs readonly");
  if (mount.propagation() != runtime::v1::PROPAGATION_PRIVATE) {
    return BadField(path, "needs PROPAGATION_PRIVATE");
  }
  if (host.recursive_read_only) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": this kernel cannot do it (mount_setattr)"));
}

using IdMappings = google::protobuf::RepeatedPtrField<runtime::v1::IDMapping>;

absl::StatusOr<google::protobuf::RepeatedPtrField<spec::IdMapping>>
IdMappingsFromCri(const IdMappings& mappings, absl::string_view field) {
  google::protobuf::RepeatedPtrField<spec::IdMapping> to;
  for (int i = 0; i < mappings.size(); ++i) {
    const runtime::v1::IDMapping& mapping = mappings.Get(i);
    constexpr uint64_t kIds = uint64_t{1} << 32;
    if (mapping.length() == 0 ||
        uint64_t{mapping.host_id()} + mapping.length() >= kIds ||
        uint64_t{mapping.container_id()} + mapping.length() >= kIds) {
      return BadField(
          At(field, i),
          absl::StrCat("is no range of ids: host_id ", mapping.host_id(),
                       ", container_id ", mapping.container_id(), ", length ",
                       mapping.length()));
    }
    spec::IdMapping& added = *to.Add();
    added.set_host_id(mapping.host_id());
    added.set_container_id(mapping.container_id());
    added.set_length(mapping.length());
  }
  return to;
}

absl::Status SetIdMappings(const Mount& mount, absl::string_view field,
                           spec::BindMount& to) {
  const std::string uids = absl::StrCat(field, ".uidMappings");
  const std::string gids = absl::StrCat(field, ".gidMappings");
  if (mount.uidmappings().empty() != mount.gidmappings().empty()) {
    return BadField(mount.uidmappings().empty() ? uids : gids,
                    "uids and gids can be mapped only together");
  }
  ASSIGN_OR_RETURN(*to.mutable_uid_mappings(),
                   IdMappingsFromCri(mount.uidmappings(), uids));
  ASSIGN_OR_RETURN(*to.mutable_gid_mappings(),
                   IdMappingsFromCri(mount.gidmappings(), gids));
  return absl::OkStatus();
}

bool IsRoot(absl::string_view path) {
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part != ".") return false;
  }
  return true;
}

absl::Status SetImage(const Mount& mount, const HostAbilities& host,
                      absl::string_view field, spec::BindMount& to) {
  const std::string image = absl::StrCat(field, ".image.image");
  if (mount.image().image().empty()) return BadField(image, "is empty");
  RETURN_IF_ERROR(CheckNoNul(image, mount.image().image()));
  if (!mount.image().runtime_handler().empty()) {
    return BadValue(absl::StrCat(field, ".image.runtime_handler"),
                    "\"\" (there is one handler)",
                    mount.image().runtime_handler());
  }
  if (!mount.host_path().empty()) {
    return BadField(absl::StrCat(field, ".host_path"),
                    "must be empty where an image is mounted");
  }
  if (mount.propagation() != runtime::v1::PROPAGATION_PRIVATE) {
    return BadField(absl::StrCat(field, ".propagation"),
                    "an image is mounted with PROPAGATION_PRIVATE only");
  }
  if (!mount.readonly()) {
    return BadField(absl::StrCat(field, ".readonly"),
                    "must be true where an image is mounted");
  }
  if (!mount.image_sub_path().empty()) {
    RETURN_IF_ERROR(CheckPlainRelativePath(
        absl::StrCat(field, ".image_sub_path"), mount.image_sub_path()));
  }
  // Resolved to the image itself when the container is made.
  to.mutable_image()->set_image_ref(
      image::Qualify(mount.image().image(), host.short_names));
  to.mutable_image()->set_sub_path(mount.image_sub_path());
  return absl::OkStatus();
}

absl::StatusOr<spec::BindMount> MountFromCri(const Mount& mount,
                                             const HostAbilities& host,
                                             bool privileged,
                                             absl::string_view field) {
  const std::string target = absl::StrCat(field, ".container_path");
  RETURN_IF_ERROR(CheckAbsolutePath(target, mount.container_path()));
  if (IsRoot(mount.container_path())) {
    return BadField(target, "\"/\" is the container's root file system");
  }
  spec::BindMount to;
  if (mount.has_image()) {
    RETURN_IF_ERROR(SetImage(mount, host, field, to));
  } else {
    RETURN_IF_ERROR(CheckAbsolutePath(absl::StrCat(field, ".host_path"),
                                      mount.host_path()));
    to.set_host_path(mount.host_path());
  }
  if (!mount.has_image() && !mount.image_sub_path().empty()) {
    return BadField(absl::StrCat(field, ".image_sub_path"), "needs an image");
  }
  RETURN_IF_ERROR(CheckRecursiveReadOnly(mount, host, field));
  // Without effect on a host without SELinux, as in containerd: the node agent
  // sets it whatever the host has. What is the host's own is refused when the
  // container is started (shim/init/relabel.h).
  to.set_selinux_relabel(mount.selinux_relabel());
  to.set_container_path(mount.container_path());
  to.set_read_only(mount.readonly());
  to.set_recursive_read_only(mount.recursive_read_only());
  const std::string propagation = absl::StrCat(field, ".propagation");
  ASSIGN_OR_RETURN(spec::Propagation from_cri,
                   PropagationFromCri(mount.propagation(), propagation));
  if (from_cri == spec::BIDIRECTIONAL && !privileged) {
    return BadField(propagation,
                    "PROPAGATION_BIDIRECTIONAL needs a privileged container");
  }
  to.set_propagation(from_cri);
  RETURN_IF_ERROR(SetOptions(mount, field, to));
  RETURN_IF_ERROR(SetIdMappings(mount, field, to));
  return to;
}

absl::Status CheckPermissions(absl::string_view field,
                              absl::string_view permissions) {
  if (!permissions.empty() &&
      permissions.find_first_not_of("rwm") == absl::string_view::npos) {
    return absl::OkStatus();
  }
  return BadValue(field, "letters out of r, w and m", permissions);
}

}  // namespace

absl::Status SetMounts(const ContainerConfig& config, const HostAbilities& host,
                       spec::ContainerSpec& spec) {
  const bool privileged = config.linux().security_context().privileged();
  for (int i = 0; i < config.mounts_size(); ++i) {
    ASSIGN_OR_RETURN(*spec.add_mounts(),
                     MountFromCri(config.mounts(i), host, privileged,
                                  At("config.mounts", i)));
  }
  return absl::OkStatus();
}

absl::Status SetDevices(const ContainerConfig& config,
                        spec::ContainerSpec& spec) {
  for (int i = 0; i < config.devices_size(); ++i) {
    const runtime::v1::Device& device = config.devices(i);
    const std::string field = At("config.devices", i);
    RETURN_IF_ERROR(CheckAbsolutePath(absl::StrCat(field, ".container_path"),
                                      device.container_path()));
    RETURN_IF_ERROR(CheckAbsolutePath(absl::StrCat(field, ".host_path"),
                                      device.host_path()));
    RETURN_IF_ERROR(CheckPermissions(absl::StrCat(field, ".permissions"),
                                     device.permissions()));
    spec::Device& to = *spec.add_devices();
    to.set_host_path(device.host_path());
    to.set_container_path(device.container_path());
    to.set_permissions(device.permissions());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> CdiDevicesFromCri(
    const ContainerConfig& config) {
  std::vector<std::string> names;
  for (int i = 0; i < config.cdi_devices_size(); ++i) {
    const std::string& name = config.cdi_devices(i).name();
    absl::Status good = cdi::ParseQualifiedName(name).status();
    if (!good.ok()) {
      return BadValue(absl::StrCat(At("config.CDI_devices", i), ".name"),
                      "a device name such as \"vendor.com/class=name\"", name);
    }
    names.push_back(name);
  }
  return names;
}

}  // namespace gantry::cri
