// What the use cases stand on, built once by server/main and passed down.
//
// A plain bundle: no behaviour, no singletons. Everything referred to outlives
// every use case and every task started from one.

#ifndef GANTRY_SERVER_CORE_NODE_H_
#define GANTRY_SERVER_CORE_NODE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proto/spec.pb.h"
#include "runtime/base/clock.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/systemd/units.h"
#include "runtime/image/image_store.h"
#include "runtime/net/pod_network.h"
#include "runtime/plan/host_facts.h"
#include "runtime/plan/seccomp_cache.h"
#include "runtime/rootfs/snapshotter.h"
#include "runtime/state/record_store.h"
#include "server/core/degraded.h"
#include "server/core/events.h"
#include "server/core/exits.h"
#include "server/core/index.h"
#include "server/core/paths.h"
#include "server/core/pod_cidr.h"
#include "server/core/shims.h"
#include "server/core/steps.h"
#include "server/core/unsaved_records.h"
#include "server/shim/launcher.h"
#include "server/work/executor.h"
#include "server/work/keyed_lock.h"
#include "server/work/loop_thread.h"
#include "server/work/task_scope.h"

namespace gantry::core {

struct Node {
  const Paths& paths;
  const Clock& clock;
  // Names this boot of the machine; a record of another boot has no processes.
  const std::string boot_id;

  const cgroup::Hierarchies& cgroups;
  const plan::HostFacts& host_facts;
  plan::SeccompCache& seccomp;

  work::LoopThread& loop;
  // Short steps of use cases.
  work::Executor& executor;
  // Work that blocks long: pulls, loads, walks over directories.
  work::Executor& blocking_executor;
  // Putting pods on their network, and taking them off it.
  work::Executor& network_executor;
  work::TaskScope& tasks;

  // Serial per reserved name ("pod/NAME", "container/NAME") while an object
  // of that name is made.
  work::KeyedLock& name_locks;
  // Serial per pod id.
  work::KeyedLock& pod_locks;
  // Serial per container id, for its record only, and never held over a wait
  // for anything but the disk. Taken after the pod's lock.
  work::KeyedLock& record_locks;

  state::RecordStore& pod_records;
  state::RecordStore& container_records;
  PodIndex& pods;
  ContainerIndex& containers;

  net::PodNetwork& network;
  PodCidr& pod_cidr;
  shim_client::Launcher& launcher;
  Shims& shims;
  image::ImageStore& images;
  rootfs::Snapshotter& snapshotter;
  EventBus& events;
  DegradedFeatures& degraded;
  Exits& exits;
  // Shared with timers, which may outlive this.
  const std::shared_ptr<UnsavedRecords> unsaved =
      std::make_shared<UnsavedRecords>();
  // Where CDI specifications are, the last one winning (runtime/cdi).
  std::vector<std::string> cdi_directories = {};
  // Bytes that a container may write into its layer unless it says less; 0:
  // any number.
  uint64_t writable_layer_size = 0;
  // Of containers that say nothing else.
  spec::LogPolicy log_policy = {};
  // Null where no systemd answers.
  const cgroup::systemd::Units* units = nullptr;
  // New pods are slices of systemd's; `units` is there then.
  bool systemd_driver = false;
  // Who is told where the time of calls went; empty: nothing is measured.
  std::vector<StepObserver*> step_observers = {};
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_NODE_H_
