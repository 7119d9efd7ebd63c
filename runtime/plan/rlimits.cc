#include "runtime/plan/rlimits.h"

#include <sys/resource.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gantry::plan {
namespace {

struct Name {
  absl::string_view name;
  int resource;
};

constexpr Name kNames[] = {
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_STACK", RLIMIT_STACK},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
};

int ResourceOf(absl::string_view name) {
  for (const Name& entry : kNames) {
    if (entry.name == name) return entry.resource;
  }
  return -1;
}

}  // namespace

absl::StatusOr<std::vector<RlimitPlan>> PlanRlimits(
    const spec::Process& process) {
  std::vector<RlimitPlan> plans;
  uint32_t seen = 0;
  for (const spec::Rlimit& limit : process.rlimits()) {
    int resource = ResourceOf(limit.type());
    if (resource < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("rlimits: unknown limit \"", limit.type(), "\""));
    }
    if ((seen & (1u << resource)) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("rlimits: ", limit.type(), " is set twice"));
    }
    if (limit.soft() > limit.hard()) {
      return absl::InvalidArgumentError(
          absl::StrCat("rlimits: ", limit.type(), ": soft limit ", limit.soft(),
                       " is above the hard limit ", limit.hard()));
    }
    seen |= 1u << resource;
    RlimitPlan& plan = plans.emplace_back();
    plan.set_resource(resource);
    plan.set_soft(limit.soft());
    plan.set_hard(limit.hard());
  }
  return plans;
}

}  // namespace gantry::plan
