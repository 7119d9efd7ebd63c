#include "shim/process/exec_template.h"

#include <linux/sched.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace gantry::shim {
namespace {

using plan::NamespacePlan;

// "NAME=" of "NAME=value".
absl::string_view NamePart(absl::string_view variable) {
  const size_t equals = variable.find('=');
  return equals == absl::string_view::npos ? variable
                                           : variable.substr(0, equals + 1);
}

void SetVariable(const std::string& variable, std::vector<std::string>& env) {
  const absl::string_view name = NamePart(variable);
  for (std::string& present : env) {
    if (absl::StartsWith(present, name)) {
      present = variable;
      return;
    }
  }
  env.push_back(variable);
}

}  // namespace

ExecTemplate MakeExecTemplate(const plan::ContainerPlan& plan) {
  ExecTemplate out;
  const plan::InitPlan& init = plan.init();
  out.identity = init.identity();
  out.env.assign(init.env().begin(), init.env().end());
  out.cwd = init.cwd();
  out.oom_score_adj = init.oom_score_adj();
  const NamespacePlan& namespaces = plan.namespaces();
  auto join = [&out](NamespacePlan::Source source, int bit) {
    if (source != NamespacePlan::HOST) out.namespaces |= bit;
  };
  join(namespaces.mount(), CLONE_NEWNS);
  join(namespaces.network(), CLONE_NEWNET);
  join(namespaces.ipc(), CLONE_NEWIPC);
  join(namespaces.uts(), CLONE_NEWUTS);
  join(namespaces.cgroup(), CLONE_NEWCGROUP);
  join(namespaces.user(), CLONE_NEWUSER);
  return out;
}

init::ExecPlan MakeExecPlan(const ExecTemplate& container,
                            const ExecRequest& request) {
  init::ExecPlan out;
  out.identity = container.identity;
  if (request.has_user()) *out.identity.mutable_user() = request.user();
  out.args.assign(request.args().begin(), request.args().end());
  out.env = container.env;
  for (const std::string& variable : request.env()) {
    SetVariable(variable, out.env);
  }
  out.cwd = request.cwd().empty() ? container.cwd : request.cwd();
  out.terminal = request.terminal();
  out.width = request.width();
  out.height = request.height();
  out.oom_score_adj = container.oom_score_adj;
  return out;
}

uint64_t CloneNamespaces(const plan::NamespacePlan& namespaces) {
  uint64_t flags = 0;
  auto make = [&flags](NamespacePlan::Source source, uint64_t bit) {
    if (source == NamespacePlan::NEW) flags |= bit;
  };
  make(namespaces.mount(), CLONE_NEWNS);
  make(namespaces.network(), CLONE_NEWNET);
  make(namespaces.pid(), CLONE_NEWPID);
  make(namespaces.ipc(), CLONE_NEWIPC);
  make(namespaces.uts(), CLONE_NEWUTS);
  make(namespaces.user(), CLONE_NEWUSER);
  return flags;
}

}  // namespace gantry::shim
