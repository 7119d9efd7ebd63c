// What the interfaces of pods have counted, read in the pods' own network
// namespaces.
//
// A socket is kept open in the namespace of each pod that was asked for, up to
// a bound. It keeps the namespace in being: Forget a pod when it is stopped.
// Thread safety: all methods from any thread. Read blocks for a few system
// calls, and holds no lock meanwhile.

#ifndef GANTRY_SERVER_CORE_LINK_COUNTERS_H_
#define GANTRY_SERVER_CORE_LINK_COUNTERS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/record.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/link_stats/link_stats.h"
#include "server/core/index.h"
#include "server/core/paths.h"

namespace gantry::core {

class LinkCounters {
 public:
  // Both must outlive this.
  LinkCounters(const Paths& paths, const PodIndex& pods, size_t max_sockets)
      : paths_(paths), pods_(pods), max_sockets_(max_sockets) {}

  // Of a READY pod with a network namespace of its own.
  absl::StatusOr<std::vector<net::LinkStats>> Read(
      const record::PodRecord& pod);

  void Forget(absl::string_view pod_id);

 private:
  // The kept one, which nobody else then has, or a new one.
  absl::StatusOr<UniqueFd> Take(const std::string& pod_id);
  void Keep(const std::string& pod_id, UniqueFd socket);

  const Paths& paths_;
  const PodIndex& pods_;
  const size_t max_sockets_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, UniqueFd> sockets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_LINK_COUNTERS_H_
