#include "server/core/stats_readers.h"

#include <utility>

#include "runtime/base/status.h"

namespace gantry::core {

absl::StatusOr<StatsReaders::Ptr> StatsReaders::Get(const std::string& id,
                                                    const std::string& path) {
  bool full;
  {
    absl::MutexLock lock(&mutex_);
    auto known = readers_.find(id);
    if (known != readers_.end()) return known->second;
    full = fds_ >= max_fds_;
  }
  if (full) {
    ASSIGN_OR_RETURN(cgroup::StatsReader reader,
                     cgroup::StatsReader::For(hierarchies_, path));
    return std::make_shared<const cgroup::StatsReader>(std::move(reader));
  }
  ASSIGN_OR_RETURN(cgroup::StatsReader opened,
                   cgroup::StatsReader::Open(hierarchies_, path));
  auto reader = std::make_shared<const cgroup::StatsReader>(std::move(opened));
  absl::MutexLock lock(&mutex_);
  // Somebody else may have been faster.
  auto [entry, is_new] = readers_.try_emplace(id, std::move(reader));
  if (is_new) fds_ += entry->second->fds();
  return entry->second;
}

void StatsReaders::Forget(absl::string_view id) {
  Ptr dropped;  // closed after the lock is free
  absl::MutexLock lock(&mutex_);
  auto known = readers_.find(id);
  if (known == readers_.end()) return;
  dropped = std::move(known->second);
  fds_ -= dropped->fds();
  readers_.erase(known);
}

}  // namespace gantry::core
