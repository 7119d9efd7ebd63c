// Pods: a set of pinned namespaces, a cgroup and a few files that containers
// share. A pod has no process of its own unless its PID namespace is shared.
//
// Every call is safe to repeat: a repeated Run with the same name and the same
// configuration gives the pod of the first; Stop and Remove of what is stopped
// or unknown are OK. Work is serial per pod. Calls go on to their end even if
// their client has gone.
// Thread safety: all methods from any thread. Get and List never wait.

#ifndef GANTRY_SERVER_CORE_POD_SERVICE_H_
#define GANTRY_SERVER_CORE_POD_SERVICE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/spec.pb.h"
#include "server/core/index.h"
#include "server/core/node.h"
#include "server/core/requests.h"
#include "server/core/steps.h"
#include "server/work/task.h"

namespace gantry::core {

class ContainerService;

class PodService {
 public:
  // Both must outlive this.
  PodService(Node& node, ContainerService& containers)
      : node_(node), containers_(containers) {}

  // The id of a READY pod. ALREADY_EXISTS if the name is held by another.
  work::Task<absl::StatusOr<std::string>> Run(PodRequest request,
                                              StepScope steps = {});

  // Kills its containers, gives up its network and namespaces: NOT_READY.
  work::Task<absl::Status> Stop(std::string id);

  // Stops it if need be, removes its containers and everything of it.
  work::Task<absl::Status> Remove(std::string id);

  // Limits the pod's cgroup to what its containers have together plus what the
  // pod itself costs (PodLimits): all of it, or nothing changes. What neither
  // sets stays as it is. FAILED_PRECONDITION unless READY.
  work::Task<absl::Status> UpdateResources(std::string id,
                                           spec::Resources overhead,
                                           spec::Resources resources);

  absl::StatusOr<PodPtr> Get(absl::string_view id_or_prefix) const;
  std::vector<PodPtr> List() const;

 private:
  Node& node_;
  ContainerService& containers_;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_POD_SERVICE_H_
