// Containers: created without a process, run by one shim each, kept with
// their writable layer until removed.
//
// Every call is safe to repeat, as PodService says. Work is serial per pod,
// but waiting for a program to end holds nothing: while a container stops,
// the rest of its pod can be used.
// Thread safety: all methods from any thread. Get and List never wait.

#ifndef GANTRY_SERVER_CORE_CONTAINER_SERVICE_H_
#define GANTRY_SERVER_CORE_CONTAINER_SERVICE_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/spec.pb.h"
#include "server/core/index.h"
#include "server/core/node.h"
#include "server/core/requests.h"
#include "server/core/steps.h"
#include "server/work/task.h"

namespace gantry::core {

class ContainerService {
 public:
  // `node` must outlive this.
  explicit ContainerService(Node& node) : node_(node) {}

  // The id of a CREATED container. NOT_FOUND: no such pod or image;
  // FAILED_PRECONDITION: the pod is not READY.
  work::Task<absl::StatusOr<std::string>> Create(ContainerRequest request);

  // OK once the program was executed. FAILED_PRECONDITION unless CREATED, or
  // RUNNING by a start whose client was not told (AcknowledgeStart).
  work::Task<absl::Status> Start(std::string id, StepScope steps = {});

  // The client of a start is there to be told: a repeated Start is a mistake
  // from now on. To be called right before the answer; does not block.
  void NoteStartTold(absl::string_view id);
  // To be called after it: soon also for a server that starts anew.
  work::Task<void> AcknowledgeStart(std::string id);

  // Asks with the stop signal, and kills everything of the container once
  // `timeout` has passed. OK when it is EXITED.
  work::Task<absl::Status> Stop(std::string id, absl::Duration timeout);

  // Kills it if need be; its writable layer and record go.
  work::Task<absl::Status> Remove(std::string id);

  // Writes the set fields of `resources`: all of them, or none.
  work::Task<absl::Status> Update(std::string id, spec::Resources resources);

  // Opens the log's path anew and has the shim write there from the next line.
  // If that fails no new file is left.
  work::Task<absl::Status> ReopenLog(std::string id);

  absl::StatusOr<ContainerPtr> Get(absl::string_view id_or_prefix) const;
  std::vector<ContainerPtr> List() const;

 private:
  bool WasStartTold(const std::string& id);

  Node& node_;
  absl::Mutex mutex_;
  // Full ids, until their record says so too.
  absl::flat_hash_set<std::string> told_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_CONTAINER_SERVICE_H_
