#include "runtime/plan/mounts.h"

#include <linux/mount.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/plan/layers.h"
#include "runtime/plan/paths.h"
#include "runtime/plan/user_namespace.h"

namespace gantry::plan {
namespace {

constexpr uint64_t kDefaultShmSize = 64 << 20;

MountStep Filesystem(absl::string_view fstype, absl::string_view source,
                     absl::string_view target, uint64_t attributes,
                     std::initializer_list<absl::string_view> options = {}) {
  MountStep step;
  step.set_kind(MountStep::FILESYSTEM);
  step.set_fstype(fstype.data(), fstype.size());
  step.set_source(source.data(), source.size());
  step.set_target(target.data(), target.size());
  step.set_attributes(attributes);
  for (absl::string_view option : options) {
    step.add_options(option.data(), option.size());
  }
  return step;
}

MountStep SharedMemory(const spec::ContainerSpec& spec) {
  constexpr uint64_t kAttributes =
      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (spec.shm_path().empty()) {
    uint64_t size = spec.shm_size() == 0 ? kDefaultShmSize : spec.shm_size();
    return Filesystem("tmpfs", "shm", "/dev/shm", kAttributes,
                      {"mode=1777", absl::StrCat("size=", size)});
  }
  MountStep step;
  step.set_kind(MountStep::BIND);
  step.set_source(spec.shm_path());
  step.set_target("/dev/shm");
  step.set_attributes(kAttributes);
  return step;
}

// One entry per hierarchy, as plan.proto tells.
void AddHierarchies(const HostFacts& facts, MountStep& step) {
  for (const CgroupHierarchy& hierarchy : facts.hierarchies) {
    if (hierarchy.unified()) {
      // Alone it is the whole of /sys/fs/cgroup.
      step.add_options(facts.hierarchies.size() == 1 ? ":" : "unified:");
      continue;
    }
    absl::string_view dir = hierarchy.mount_path();
    dir.remove_prefix(dir.rfind('/') + 1);
    step.add_options(
        absl::StrCat(dir, ":", absl::StrJoin(hierarchy.controllers(), ",")));
  }
}

MountStep Cgroups(const HostFacts& facts, bool writable) {
  MountStep step;
  step.set_kind(MountStep::CGROUP);
  step.set_target("/sys/fs/cgroup");
  step.set_attributes(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                      (writable ? 0 : MOUNT_ATTR_RDONLY));
  AddHierarchies(facts, step);
  return step;
}

// What the container's processes may use, as its other files.
void LabelFilesystems(const std::string& label, std::vector<MountStep>& steps) {
  if (label.empty()) return;
  for (MountStep& step : steps) {
    if (step.fstype() == "tmpfs" || step.fstype() == "devpts") {
      step.add_options(absl::StrCat("context=", label));
    } else if (step.fstype() == "mqueue") {
      // The IPC namespace has it mounted already, and with no such option.
      step.set_selinux_label(label);
    }
  }
}

// Group 5 is "tty" on every distribution; where it is not mapped the terminals
// have the group of who opens them.
MountStep Terminals(const spec::ContainerSpec& spec) {
  constexpr uint32_t kTty = 5;
  MountStep step = Filesystem("devpts", "devpts", "/dev/pts",
                              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                              {"newinstance", "ptmxmode=0666", "mode=0620"});
  uint32_t group = kTty;
  if (spec.namespaces().has_user()) {
    // Init mounts as the host's root, so the kernel takes the host's number.
    std::optional<uint32_t> outside =
        OutsideId(spec.namespaces().user().gids(), kTty);
    if (!outside.has_value()) return step;
    group = *outside;
  }
  step.add_options(absl::StrCat("gid=", group));
  return step;
}

std::vector<MountStep> Defaults(const spec::ContainerSpec& spec,
                                const HostFacts& facts) {
  constexpr uint64_t kInert =
      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const bool privileged = spec.security().privileged();
  return {
      Filesystem("proc", "proc", "/proc", kInert),
      Filesystem("tmpfs", "tmpfs", "/dev",
                 MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
                 {"mode=755", "size=65536k"}),
      Filesystem("sysfs", "sysfs", "/sys",
                 kInert | (privileged ? 0 : MOUNT_ATTR_RDONLY)),
      Terminals(spec),
      SharedMemory(spec),
      Filesystem("mqueue", "mqueue", "/dev/mqueue", kInert),
      // In a user namespace nobody owns them.
      Cgroups(facts, privileged && !spec.namespaces().has_user()),
  };
}

absl::StatusOr<uint64_t> OptionBit(absl::string_view option) {
  static constexpr std::pair<absl::string_view, uint64_t> kOptions[] = {
      {"ro", MOUNT_ATTR_RDONLY},        {"nosuid", MOUNT_ATTR_NOSUID},
      {"nodev", MOUNT_ATTR_NODEV},      {"noexec", MOUNT_ATTR_NOEXEC},
      {"noatime", MOUNT_ATTR_NOATIME},  {"nodiratime", MOUNT_ATTR_NODIRATIME},
      {"relatime", MOUNT_ATTR_RELATIME}};
  for (const auto& [name, bit] : kOptions) {
    if (name == option) return bit;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown option \"", option, "\""));
}

// Over procfs only procfs itself may be mounted, else writes of security
// labels could be led elsewhere; below it the few informational files that
// lxcfs provides (the list of runc).
absl::Status CheckProc(const MountStep& step) {
  if (!IsBelowOrEqual(step.target(), "/proc")) return absl::OkStatus();
  static constexpr absl::string_view kFiles[] = {
      "/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg",
      "/proc/meminfo", "/proc/net/dev",   "/proc/slabinfo",
      "/proc/stat",    "/proc/swaps",     "/proc/uptime",
  };
  if (std::find(std::begin(kFiles), std::end(kFiles), step.target()) !=
      std::end(kFiles)) {
    return absl::OkStatus();
  }
  // Init verifies by the mounted file system that it is a procfs.
  if (step.target() == "/proc" && step.source() == "/proc") {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "nothing but procfs may be mounted on or below /proc");
}

bool IsSame(const spec::IdMapping& a, const spec::IdMapping& b) {
  return a.host_id() == b.host_id() && a.container_id() == b.container_id() &&
         a.length() == b.length();
}

bool IsSame(const IdMap& a, const IdMap& b) {
  return std::equal(a.uids().begin(), a.uids().end(), b.uids().begin(),
                    b.uids().end(),
                    [](auto& x, auto& y) { return IsSame(x, y); }) &&
         std::equal(a.gids().begin(), a.gids().end(), b.gids().begin(),
                    b.gids().end(),
                    [](auto& x, auto& y) { return IsSame(x, y); });
}

// The place of the mount's id mapping in `init`, from 1; 0 if it has none.
absl::StatusOr<uint32_t> PlaceOfIdMap(const spec::BindMount& mount,
                                      InitPlan& init) {
  if (mount.uid_mappings().empty() && mount.gid_mappings().empty()) return 0;
  if (mount.uid_mappings().empty() || mount.gid_mappings().empty()) {
    return absl::InvalidArgumentError(
        "an id mapping needs both uid and gid mappings");
  }
  IdMap map;
  *map.mutable_uids() = mount.uid_mappings();
  *map.mutable_gids() = mount.gid_mappings();
  for (int i = 0; i < init.id_maps_size(); ++i) {
    if (IsSame(init.id_maps(i), map)) return i + 1;
  }
  *init.add_id_maps() = std::move(map);
  return init.id_maps_size();
}

// What is mounted: a tree of the host, or an image.
absl::Status SetSource(const spec::BindMount& mount, const spec::Rootfs& rootfs,
                       MountStep& step) {
  if (!mount.has_image()) {
    step.set_kind(MountStep::BIND);
    step.set_fill_from_rootfs(mount.image_volume());
    ASSIGN_OR_RETURN(*step.mutable_source(),
                     CleanAbsolutePath(mount.host_path(), "host_path"));
    return absl::OkStatus();
  }
  const spec::ImageMount& image = mount.image();
  step.set_kind(MountStep::IMAGE);
  step.set_source(image.image_ref());
  RETURN_IF_ERROR(CheckNoNul(image.sub_path(), "image_sub_path"));
  step.set_sub_path(image.sub_path());
  return PlanLayers(image.layers_dir(),
                    {image.lower_dirs().begin(), image.lower_dirs().end()},
                    rootfs.mount_point(), *step.mutable_image());
}

absl::StatusOr<MountStep> ClientMount(const spec::BindMount& mount,
                                      const spec::Rootfs& rootfs, bool own_user,
                                      InitPlan& init) {
  MountStep step;
  ASSIGN_OR_RETURN(*step.mutable_target(),
                   CleanAbsolutePath(mount.container_path(), "container_path"));
  RETURN_IF_ERROR(SetSource(mount, rootfs, step));
  if (step.target() == "/") {
    return absl::InvalidArgumentError("container_path: \"/\" is the rootfs");
  }
  RETURN_IF_ERROR(CheckProc(step));
  // A mount may have a mapping of its own; else it is the pod's.
  step.set_id_mapped(own_user && mount.uid_mappings().empty());
  if (own_user && mount.propagation() == spec::BIDIRECTIONAL) {
    return absl::InvalidArgumentError(
        "propagation to the host: a container with a user namespace cannot");
  }
  uint64_t attributes = 0;
  if (mount.read_only() || mount.has_image()) attributes |= MOUNT_ATTR_RDONLY;
  if (mount.recursive_read_only()) {
    if (!mount.read_only() || mount.propagation() != spec::PRIVATE) {
      return absl::InvalidArgumentError(
          "recursive_read_only needs readonly and private propagation");
    }
    step.set_recursive_attributes(true);
  }
  for (const std::string& option : mount.options()) {
    ASSIGN_OR_RETURN(uint64_t bit, OptionBit(option));
    attributes |= bit;
  }
  step.set_attributes(attributes);
  step.set_propagation(mount.propagation());
  ASSIGN_OR_RETURN(uint32_t id_map, PlaceOfIdMap(mount, init));
  step.set_id_map(id_map);
  return step;
}

bool IsTarget(absl::string_view target, const std::vector<MountStep>& steps,
              size_t count) {
  return std::any_of(
      steps.begin(), steps.begin() + count,
      [target](const MountStep& step) { return step.target() == target; });
}

}  // namespace

absl::StatusOr<MountsResult> PlanMounts(const spec::ContainerSpec& spec,
                                        const HostFacts& facts,
                                        InitPlan& init) {
  MountsResult result;
  if (spec.pause()) return result;
  const std::string& label = spec.security().selinux_mount_label();
  std::vector<MountStep> steps = Defaults(spec, facts);
  LabelFilesystems(label, steps);
  const size_t defaults = steps.size();
  const bool own_user = spec.namespaces().has_user();
  std::vector<bool> replaced(defaults, false);
  for (const spec::BindMount& mount : spec.mounts()) {
    ASSIGN_OR_RETURN(
        MountStep step, ClientMount(mount, spec.rootfs(), own_user, init),
        absl::StrCat(
            mount.image_volume() ? "volumes of the image: " : "mounts: ",
            mount.container_path()));
    // An image is not heard on the file systems that every container has.
    if (mount.image_volume() && IsTarget(step.target(), steps, defaults)) {
      continue;
    }
    if (step.kind() == MountStep::IMAGE) {
      step.mutable_image()->set_selinux_context(label);
    } else if (mount.selinux_relabel()) {
      step.set_selinux_label(label);
    }
    if (step.target() == "/dev") result.own_dev = true;
    for (size_t i = 0; i < defaults; ++i) {
      if (steps[i].target() == step.target()) replaced[i] = true;
    }
    steps.push_back(std::move(step));
  }
  for (size_t i = defaults; i-- > 0;) {
    if (replaced[i]) steps.erase(steps.begin() + i);
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const MountStep& a, const MountStep& b) {
                     return PathDepth(a.target()) < PathDepth(b.target());
                   });
  for (MountStep& step : steps) *init.add_mounts() = std::move(step);
  return result;
}

}  // namespace gantry::plan
