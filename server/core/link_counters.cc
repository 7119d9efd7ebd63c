#include "server/core/link_counters.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::core {

absl::StatusOr<UniqueFd> LinkCounters::Take(const std::string& pod_id) {
  {
    absl::MutexLock lock(&mutex_);
    auto kept = sockets_.find(pod_id);
    if (kept != sockets_.end()) {
      UniqueFd socket = std::move(kept->second);
      sockets_.erase(kept);
      return socket;
    }
  }
  ASSIGN_OR_RETURN(
      UniqueFd netns,
      sys::OpenAt(AT_FDCWD,
                  absl::StrCat(paths_.PodRun(pod_id), "/", kNetworkPin),
                  O_RDONLY));
  return net::OpenLinkSocket(netns.get());
}

void LinkCounters::Keep(const std::string& pod_id, UniqueFd socket) {
  UniqueFd surplus;  // closed after the lock is free
  absl::MutexLock lock(&mutex_);
  // A pod that is stopped meanwhile was forgotten before, or will be later.
  absl::StatusOr<PodPtr> pod = pods_.Get(pod_id);
  const bool ready = pod.ok() && (*pod)->state() == record::PodRecord::READY;
  surplus = std::move(socket);
  if (!ready || sockets_.size() >= max_sockets_) return;
  auto [entry, is_new] = sockets_.try_emplace(pod_id);
  if (is_new) entry->second = std::move(surplus);
}

absl::StatusOr<std::vector<net::LinkStats>> LinkCounters::Read(
    const record::PodRecord& pod) {
  ASSIGN_OR_RETURN(UniqueFd socket, Take(pod.id()));
  ASSIGN_OR_RETURN(std::vector<net::LinkStats> links,
                   net::ReadLinkStats(socket.get()));
  Keep(pod.id(), std::move(socket));
  return links;
}

void LinkCounters::Forget(absl::string_view pod_id) {
  UniqueFd dropped;  // closed after the lock is free
  absl::MutexLock lock(&mutex_);
  auto kept = sockets_.find(pod_id);
  if (kept == sockets_.end()) return;
  dropped = std::move(kept->second);
  sockets_.erase(kept);
}

}  // namespace gantry::core
