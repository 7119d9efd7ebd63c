#include "runtime/plan/planner.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/plan/capabilities.h"
#include "runtime/plan/devices.h"
#include "runtime/plan/layers.h"
#include "runtime/plan/masks.h"
#include "runtime/plan/mounts.h"
#include "runtime/plan/namespaces.h"
#include "runtime/plan/paths.h"
#include "runtime/plan/rlimits.h"
#include "runtime/plan/seccomp_profile.h"
#include "runtime/plan/sysctls.h"
#include "runtime/plan/user_namespace.h"

namespace gantry::plan {
namespace {

constexpr uint32_t kUmask = 022;

absl::Status PlanRootfs(const spec::ContainerSpec& spec, RootfsPlan& plan) {
  if (spec.pause()) {
    plan.set_empty(true);
    plan.set_read_only(true);
    return absl::OkStatus();
  }
  const spec::Rootfs& rootfs = spec.rootfs();
  OverlayPlan* overlay = plan.mutable_overlay();
  RETURN_IF_ERROR(
      PlanLayers(rootfs.layers_dir(),
                 {rootfs.lower_dirs().begin(), rootfs.lower_dirs().end()},
                 rootfs.mount_point(), *overlay))
      << "rootfs";
  overlay->set_id_mapped(spec.namespaces().has_user());
  overlay->set_selinux_context(spec.security().selinux_mount_label());
  if (!rootfs.upper_dir().empty() || !rootfs.work_dir().empty()) {
    ASSIGN_OR_RETURN(*overlay->mutable_upper_dir(),
                     CleanAbsolutePath(rootfs.upper_dir(), "rootfs.upper_dir"));
    ASSIGN_OR_RETURN(*overlay->mutable_work_dir(),
                     CleanAbsolutePath(rootfs.work_dir(), "rootfs.work_dir"));
  }
  plan.set_read_only(rootfs.read_only());
  return absl::OkStatus();
}

absl::Status PlanProcess(const spec::ContainerSpec& spec, InitPlan& init) {
  const spec::Process& process = spec.process();
  init.set_pause(spec.pause());
  init.set_terminal(spec.stdio().terminal() && !spec.pause());
  if (process.oom_score_adj() < -1000 || process.oom_score_adj() > 1000) {
    return absl::InvalidArgumentError(
        absl::StrCat("process.oom_score_adj: ", process.oom_score_adj(),
                     " is not between -1000 and 1000"));
  }
  init.set_oom_score_adj(process.oom_score_adj());
  if (spec.pause()) return absl::OkStatus();
  if (process.args().empty() || process.args(0).empty()) {
    return absl::InvalidArgumentError("process.args: no program");
  }
  for (const std::string& arg : process.args()) {
    RETURN_IF_ERROR(CheckNoNul(arg, "process.args"));
    init.add_args(arg);
  }
  for (const std::string& variable : process.env()) {
    RETURN_IF_ERROR(CheckNoNul(variable, "process.env"));
    size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("process.env: variable ", init.env_size(),
                       " is not of the form NAME=value"));
    }
    init.add_env(variable);
  }
  ASSIGN_OR_RETURN(
      *init.mutable_cwd(),
      CleanAbsolutePath(process.cwd().empty() ? "/" : process.cwd(),
                        "process.cwd"));
  return absl::OkStatus();
}

absl::Status PlanSeccomp(const spec::Security& security, const HostFacts& facts,
                         SeccompCache& seccomp, Identity& identity) {
  if (security.privileged()) return absl::OkStatus();
  switch (security.seccomp().kind()) {
    case spec::SeccompProfile::UNCONFINED:
      return absl::OkStatus();
    case spec::SeccompProfile::RUNTIME_DEFAULT: {
      ASSIGN_OR_RETURN(*identity.mutable_seccomp_program(),
                       seccomp.Default(identity.cap_bounding()));
      return absl::OkStatus();
    }
    case spec::SeccompProfile::LOCALHOST: {
      ASSIGN_OR_RETURN(
          SeccompProfile profile,
          ReadSeccompProfile(security.seccomp().localhost_path(),
                             {identity.cap_bounding(), facts.kernel}));
      ASSIGN_OR_RETURN(*identity.mutable_seccomp_program(),
                       seccomp.Compile(profile),
                       security.seccomp().localhost_path());
      identity.set_seccomp_flags(profile.flags);
      return absl::OkStatus();
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("security.seccomp: unknown kind ",
                       static_cast<int>(security.seccomp().kind())));
  }
}

absl::Status PlanIdentity(const spec::ContainerSpec& spec,
                          const HostFacts& facts, SeccompCache& seccomp,
                          Identity& identity,
                          std::vector<std::string>& degraded) {
  const spec::Security& security = spec.security();
  *identity.mutable_user() = spec.process().user();
  if (spec.namespaces().has_user()) {
    RETURN_IF_ERROR(CheckUserNamespace(spec.namespaces().user()));
    *identity.mutable_user_namespace() = spec.namespaces().user();
  }
  // The pause does nothing that would need one.
  if (!spec.pause()) {
    RETURN_IF_ERROR(PlanCapabilities(security, facts, identity, degraded));
  }
  identity.set_no_new_privs(security.no_new_privs() || spec.pause());
  ASSIGN_OR_RETURN(std::vector<RlimitPlan> rlimits,
                   PlanRlimits(spec.process()));
  for (RlimitPlan& limit : rlimits) {
    *identity.add_rlimits() = std::move(limit);
  }
  identity.set_umask(kUmask);
  identity.set_apparmor_profile(security.apparmor_profile());
  identity.set_selinux_label(security.selinux_process_label());
  RETURN_IF_ERROR(PlanSeccomp(security, facts, seccomp, identity));
  // Who is privileged can take any limit away.
  if (spec.rootfs().size_limit() > 0 && !security.privileged() &&
      !spec.namespaces().has_user()) {
    identity.set_seccomp_program(
        ForbidProjectChanges(identity.seccomp_program()));
  }
  return absl::OkStatus();
}

void PlanCgroup(const spec::ContainerSpec& spec, const HostFacts& facts,
                CgroupPlan& plan) {
  for (const CgroupHierarchy& hierarchy : facts.hierarchies) {
    *plan.add_hierarchies() = hierarchy;
  }
  plan.set_path(spec.cgroup_path());
  *plan.mutable_resources() = spec.resources();
}

}  // namespace

absl::StatusOr<ContainerPlan> BuildPlan(const spec::ContainerSpec& spec,
                                        const HostFacts& facts,
                                        SeccompCache& seccomp) {
  ContainerPlan plan;
  InitPlan& init = *plan.mutable_init();
  std::vector<std::string> degraded;
  plan.set_container_id(spec.id());
  plan.set_shim_oom_score_adj(kShimOomScoreAdj);
  *plan.mutable_stdio() = spec.stdio();
  ASSIGN_OR_RETURN(*plan.mutable_namespaces(), PlanNamespaces(spec));
  PlanCgroup(spec, facts, *plan.mutable_cgroup());
  RETURN_IF_ERROR(PlanRootfs(spec, *init.mutable_rootfs()));
  ASSIGN_OR_RETURN(MountsResult mounts, PlanMounts(spec, facts, init));
  RETURN_IF_ERROR(
      PlanDevices(spec, facts, mounts.own_dev, init, *plan.mutable_cgroup()));
  if (!spec.pause()) {
    RETURN_IF_ERROR(PlanMasks(spec.security(), init));
    RETURN_IF_ERROR(PlanSysctls(spec, plan.namespaces(), init));
  }
  RETURN_IF_ERROR(PlanProcess(spec, init));
  if (plan.namespaces().uts() == NamespacePlan::NEW) {
    RETURN_IF_ERROR(CheckNoNul(spec.hostname(), "hostname"));
    init.set_hostname(spec.hostname());
  }
  RETURN_IF_ERROR(
      PlanIdentity(spec, facts, seccomp, *init.mutable_identity(), degraded));
  for (std::string& what : degraded) init.add_degraded(std::move(what));
  return plan;
}

absl::Status CheckSeccomp(const spec::ContainerSpec& spec,
                          const HostFacts& facts, SeccompCache& seccomp) {
  Identity identity;
  std::vector<std::string> ignored;
  RETURN_IF_ERROR(PlanCapabilities(spec.security(), facts, identity, ignored));
  return PlanSeccomp(spec.security(), facts, seccomp, identity);
}

}  // namespace gantry::plan
