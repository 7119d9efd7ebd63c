// What execs need of a container's plan; the rest of it is freed after the
// start. Plain values.

#ifndef GANTRY_SHIM_PROCESS_EXEC_TEMPLATE_H_
#define GANTRY_SHIM_PROCESS_EXEC_TEMPLATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/plan.pb.h"
#include "proto/shim.pb.h"
#include "shim/init/init.h"

namespace gantry::shim {

struct ExecTemplate {
  plan::Identity identity;
  std::vector<std::string> env;
  std::string cwd;
  int32_t oom_score_adj = 0;
  // CLONE_NEW* bits to join through the first process; never CLONE_NEWPID.
  int namespaces = 0;
};

ExecTemplate MakeExecTemplate(const plan::ContainerPlan& plan);

// The container's own settings with what `request` adds or replaces. A variable
// of the request replaces one of the same name.
init::ExecPlan MakeExecPlan(const ExecTemplate& container,
                            const ExecRequest& request);

// CLONE_NEW* bits of the namespaces that clone(2) makes: those that are NEW,
// but for the cgroup namespace, which init unshares.
uint64_t CloneNamespaces(const plan::NamespacePlan& namespaces);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_EXEC_TEMPLATE_H_
