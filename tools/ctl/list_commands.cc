// gantryctl ps, pods: what there is on the node.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/format.h"
#include "tools/ctl/state_name.h"

namespace gantry::ctl {
namespace {

// Newest first, as the eye looks for what was just made.
template <typename Items>
void NewestFirst(Items* items) {
  std::sort(items->begin(), items->end(), [](const auto& a, const auto& b) {
    return a.created_at() > b.created_at();
  });
}

absl::Status Ps(Context& context, Client& client, bool all) {
  v1::ListContainersRequest request;
  if (!all) {
    request.mutable_filter()->mutable_state()->set_state(v1::CONTAINER_RUNNING);
  }
  ASSIGN_OR_RETURN(v1::ListContainersResponse list, client.Call(request));
  if (context.json) return context.PrintJson(list);
  NewestFirst(list.mutable_containers());
  const int64_t now = RealClock().UnixNanos();
  Table table({"CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "POD"});
  for (const v1::Container& container : list.containers()) {
    table.Add({ShortId(container.id()), container.image().image(),
               Age(container.created_at(), now), StateName(container.state()),
               container.metadata().name(),
               ShortId(container.pod_sandbox_id())});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

absl::Status Pods(Context& context, Client& client) {
  ASSIGN_OR_RETURN(v1::ListPodSandboxResponse list,
                   client.Call(v1::ListPodSandboxRequest()));
  if (context.json) return context.PrintJson(list);
  NewestFirst(list.mutable_items());
  const int64_t now = RealClock().UnixNanos();
  Table table({"POD", "CREATED", "STATE", "NAME", "NAMESPACE"});
  for (const v1::PodSandbox& pod : list.items()) {
    table.Add({ShortId(pod.id()), Age(pod.created_at(), now),
               StateName(pod.state()), pod.metadata().name(),
               pod.metadata().namespace_()});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

}  // namespace

void AddListCommands(CLI::App& app, Context& context) {
  const auto all = std::make_shared<bool>(false);
  CLI::App* ps = app.add_subcommand("ps", "List the running containers");
  ps->add_flag("-a,--all", *all, "Also those that do not run");
  ps->callback([&context, all] {
    RunWithClient(context, [&](Client& c) { return Ps(context, c, *all); });
  });
  app.add_subcommand("pods", "List the pods")->callback([&context] {
    RunWithClient(context, [&](Client& c) { return Pods(context, c); });
  });
}

}  // namespace gantry::ctl
