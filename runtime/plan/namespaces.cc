#include "runtime/plan/namespaces.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::plan {
namespace {

// `own` tells whether a container may have one of its own.
absl::StatusOr<NamespacePlan::Source> SourceOf(spec::NamespaceMode mode,
                                               bool own,
                                               absl::string_view name) {
  switch (mode) {
    case spec::POD:
      return NamespacePlan::JOIN;
    case spec::NODE:
      return NamespacePlan::HOST;
    case spec::CONTAINER:
      if (own) return NamespacePlan::NEW;
      break;
    default:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("namespaces.", name, ": a container cannot have mode ",
                   static_cast<int>(mode)));
}

absl::StatusOr<NamespacePlan::Source> PidSource(
    const spec::ContainerSpec& spec) {
  // The pause is the one that makes the pod's.
  if (spec.pause()) return NamespacePlan::NEW;
  if (spec.namespaces().pid() != spec::TARGET) {
    return SourceOf(spec.namespaces().pid(), /*own=*/true, "pid");
  }
  if (spec.namespaces().target_id().empty()) {
    return absl::InvalidArgumentError(
        "namespaces.pid: mode TARGET without target_id");
  }
  return NamespacePlan::JOIN;
}

}  // namespace

absl::StatusOr<NamespacePlan> PlanNamespaces(const spec::ContainerSpec& spec) {
  const spec::Namespaces& modes = spec.namespaces();
  NamespacePlan plan;
  plan.set_mount(NamespacePlan::NEW);
  ASSIGN_OR_RETURN(NamespacePlan::Source network,
                   SourceOf(modes.network(), /*own=*/true, "network"));
  plan.set_network(network);
  ASSIGN_OR_RETURN(NamespacePlan::Source pid, PidSource(spec));
  plan.set_pid(pid);
  ASSIGN_OR_RETURN(NamespacePlan::Source ipc,
                   SourceOf(modes.ipc(), /*own=*/true, "ipc"));
  plan.set_ipc(ipc);
  ASSIGN_OR_RETURN(NamespacePlan::Source uts,
                   SourceOf(modes.uts(), /*own=*/true, "uts"));
  plan.set_uts(uts);
  // Privileged containers see the host's cgroups, as with containerd, unless
  // they are root only in a user namespace (CVE-2023-25809); the pause looks at
  // none.
  const bool own_user = modes.has_user();
  plan.set_cgroup((spec.security().privileged() && !own_user) || spec.pause()
                      ? NamespacePlan::HOST
                      : NamespacePlan::NEW);
  plan.set_user(own_user ? NamespacePlan::JOIN : NamespacePlan::HOST);
  return plan;
}

}  // namespace gantry::plan
