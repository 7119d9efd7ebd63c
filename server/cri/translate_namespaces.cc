#include "server/cri/translate_namespaces.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/plan/user_namespace.h"
#include "server/cri/check.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::NamespaceMode;
using ::runtime::v1::NamespaceOption;

absl::StatusOr<spec::NamespaceMode> ModeFromCri(NamespaceMode mode,
                                                absl::string_view field) {
  switch (mode) {
    case runtime::v1::POD:
      return spec::POD;
    case runtime::v1::CONTAINER:
      return spec::CONTAINER;
    case runtime::v1::NODE:
      return spec::NODE;
    case runtime::v1::TARGET:
      return spec::TARGET;
    default:
      return BadField(field,
                      absl::StrCat("unknown mode ", static_cast<int>(mode)));
  }
}

// For network and ipc.
absl::StatusOr<spec::NamespaceMode> PodOrNode(NamespaceMode mode,
                                              absl::string_view field) {
  ASSIGN_OR_RETURN(spec::NamespaceMode translated, ModeFromCri(mode, field));
  if (translated == spec::POD || translated == spec::NODE) return translated;
  return BadValue(field, "POD or NODE", runtime::v1::NamespaceMode_Name(mode));
}

// One range.
absl::StatusOr<spec::IdMapping> IdMappingFromCri(
    const google::protobuf::RepeatedPtrField<runtime::v1::IDMapping>& mappings,
    absl::string_view field) {
  if (mappings.size() != 1) {
    return BadField(
        field, absl::StrCat("expected one range, found ", mappings.size()));
  }
  spec::IdMapping mapping;
  mapping.set_container_id(mappings.Get(0).container_id());
  mapping.set_host_id(mappings.Get(0).host_id());
  mapping.set_length(mappings.Get(0).length());
  absl::Status good = plan::CheckIdMapping(mapping);
  if (!good.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, "[0].", good.message()));
  }
  return mapping;
}

bool SameMapping(const spec::IdMapping& a, const spec::IdMapping& b) {
  return a.container_id() == b.container_id() && a.host_id() == b.host_id() &&
         a.length() == b.length();
}

// Sets `to.user`, or leaves it out: the node's.
absl::Status SetUserNamespace(const NamespaceOption& options,
                              absl::string_view field, spec::Namespaces& to) {
  to.clear_user();
  if (!options.has_userns_options()) return absl::OkStatus();
  const runtime::v1::UserNamespace& user = options.userns_options();
  const std::string path = absl::StrCat(field, ".userns_options");
  switch (user.mode()) {
    case runtime::v1::NODE:
      if (user.uids().empty() && user.gids().empty()) return absl::OkStatus();
      return BadField(path, "mode NODE takes no mappings");
    case runtime::v1::POD:
      break;
    default:
      return BadField(absl::StrCat(path, ".mode"), "expected POD or NODE");
  }
  ASSIGN_OR_RETURN(*to.mutable_user()->mutable_uids(),
                   IdMappingFromCri(user.uids(), absl::StrCat(path, ".uids")));
  ASSIGN_OR_RETURN(*to.mutable_user()->mutable_gids(),
                   IdMappingFromCri(user.gids(), absl::StrCat(path, ".gids")));
  // Each is good; what they are together begins with the field.
  absl::Status good = plan::CheckUserNamespace(to.user());
  if (good.ok()) return good;
  return absl::InvalidArgumentError(absl::StrCat(path, ".", good.message()));
}

// A container that says nothing has its pod's.
absl::Status CheckSameUserNamespace(const NamespaceOption& options,
                                    const spec::Namespaces& pod,
                                    absl::string_view field) {
  if (!options.has_userns_options()) return absl::OkStatus();
  spec::Namespaces own;
  RETURN_IF_ERROR(SetUserNamespace(options, field, own));
  if (own.has_user() == pod.has_user() &&
      SameMapping(own.user().uids(), pod.user().uids()) &&
      SameMapping(own.user().gids(), pod.user().gids())) {
    return absl::OkStatus();
  }
  return BadField(absl::StrCat(field, ".userns_options"),
                  "differs from that of the pod");
}

runtime::v1::IDMapping IdMappingToCri(const spec::IdMapping& mapping) {
  runtime::v1::IDMapping to;
  to.set_container_id(mapping.container_id());
  to.set_host_id(mapping.host_id());
  to.set_length(mapping.length());
  return to;
}

absl::Status CheckTarget(const NamespaceOption& options,
                         absl::string_view field) {
  const bool targets = options.pid() == runtime::v1::TARGET;
  const std::string path = absl::StrCat(field, ".target_id");
  if (targets && options.target_id().empty()) {
    return BadField(path, "is empty, but pid is TARGET");
  }
  if (!targets && !options.target_id().empty()) {
    return BadField(path, "is set, but pid is not TARGET");
  }
  return absl::OkStatus();
}

// What a container says of a namespace that only its pod can choose: POD is
// "with my pod", whatever that has; NODE must be the pod's choice, too.
absl::Status CheckAgrees(spec::NamespaceMode container, spec::NamespaceMode pod,
                         absl::string_view field) {
  if (container != spec::NODE || pod == spec::NODE) return absl::OkStatus();
  return BadField(field, "is NODE, but the pod has a namespace of its own");
}

absl::StatusOr<spec::NamespaceMode> ContainerPid(spec::NamespaceMode mode,
                                                 const spec::Namespaces& pod,
                                                 bool pod_said,
                                                 absl::string_view field) {
  if (mode != spec::POD) return mode;
  if (pod.pid() != spec::CONTAINER) return pod.pid();
  // Neither of them may have meant anything by it.
  if (!pod_said) return spec::CONTAINER;
  return BadField(field,
                  "is POD, but the containers of this pod do not share a PID "
                  "namespace");
}

}  // namespace

absl::StatusOr<spec::Namespaces> PodNamespacesFromCri(
    const runtime::v1::LinuxSandboxSecurityContext& context,
    const HostAbilities& host, absl::string_view field) {
  spec::Namespaces namespaces;
  namespaces.set_pid(spec::CONTAINER);
  if (!context.has_namespace_options()) return namespaces;
  const NamespaceOption& options = context.namespace_options();
  const std::string path = absl::StrCat(field, ".namespace_options");
  RETURN_IF_ERROR(SetUserNamespace(options, path, namespaces));
  if (namespaces.has_user() && !host.user_namespaces) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     ".userns_options: this host cannot map the ids of "
                     "mounts (user namespaces with idmapped mounts)"));
  }
  ASSIGN_OR_RETURN(
      spec::NamespaceMode network,
      PodOrNode(options.network(), absl::StrCat(path, ".network")));
  namespaces.set_network(network);
  ASSIGN_OR_RETURN(spec::NamespaceMode ipc,
                   PodOrNode(options.ipc(), absl::StrCat(path, ".ipc")));
  namespaces.set_ipc(ipc);
  const std::string pid_path = absl::StrCat(path, ".pid");
  ASSIGN_OR_RETURN(spec::NamespaceMode pid,
                   ModeFromCri(options.pid(), pid_path));
  if (pid == spec::TARGET) {
    return BadField(pid_path, "a pod has no container to target");
  }
  namespaces.set_pid(pid);
  RETURN_IF_ERROR(CheckTarget(options, path));
  return namespaces;
}

absl::StatusOr<spec::Namespaces> ContainerNamespacesFromCri(
    const runtime::v1::LinuxContainerSecurityContext& context,
    const spec::Namespaces& pod, bool pod_said, absl::string_view field) {
  spec::Namespaces namespaces = pod;
  if (!context.has_namespace_options()) return namespaces;
  const NamespaceOption& options = context.namespace_options();
  const std::string path = absl::StrCat(field, ".namespace_options");
  RETURN_IF_ERROR(CheckSameUserNamespace(options, pod, path));
  const std::string network_path = absl::StrCat(path, ".network");
  ASSIGN_OR_RETURN(spec::NamespaceMode network,
                   PodOrNode(options.network(), network_path));
  RETURN_IF_ERROR(CheckAgrees(network, pod.network(), network_path));
  const std::string ipc_path = absl::StrCat(path, ".ipc");
  ASSIGN_OR_RETURN(spec::NamespaceMode ipc, PodOrNode(options.ipc(), ipc_path));
  RETURN_IF_ERROR(CheckAgrees(ipc, pod.ipc(), ipc_path));
  const std::string pid_path = absl::StrCat(path, ".pid");
  ASSIGN_OR_RETURN(spec::NamespaceMode said,
                   ModeFromCri(options.pid(), pid_path));
  ASSIGN_OR_RETURN(spec::NamespaceMode pid,
                   ContainerPid(said, pod, pod_said, pid_path));
  namespaces.set_pid(pid);
  RETURN_IF_ERROR(CheckTarget(options, path));
  namespaces.set_target_id(options.target_id());
  return namespaces;
}

NamespaceOption NamespacesToCri(const spec::Namespaces& namespaces) {
  // The two enums have the same values.
  NamespaceOption options;
  options.set_network(static_cast<NamespaceMode>(namespaces.network()));
  options.set_pid(static_cast<NamespaceMode>(namespaces.pid()));
  options.set_ipc(static_cast<NamespaceMode>(namespaces.ipc()));
  options.set_target_id(namespaces.target_id());
  if (namespaces.has_user()) {
    runtime::v1::UserNamespace& user = *options.mutable_userns_options();
    user.set_mode(runtime::v1::POD);
    *user.add_uids() = IdMappingToCri(namespaces.user().uids());
    *user.add_gids() = IdMappingToCri(namespaces.user().gids());
  }
  return options;
}

}  // namespace gantry::cri
