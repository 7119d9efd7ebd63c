// The shims of the containers that run now, by container id.
//
// Thread safety: all methods from any thread. A client that is in use while it
// is dropped lives until its last user lets go of it.

#ifndef GANTRY_SERVER_CORE_SHIMS_H_
#define GANTRY_SERVER_CORE_SHIMS_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/shim/shim_client.h"

namespace gantry::core {

class Shims {
 public:
  using Ptr = std::shared_ptr<shim_client::ShimClient>;

  void Put(const std::string& container_id, Ptr client) {
    absl::MutexLock lock(&mutex_);
    clients_[container_id] = std::move(client);
  }

  // Null if the container has none.
  Ptr Get(absl::string_view container_id) const {
    absl::MutexLock lock(&mutex_);
    auto client = clients_.find(container_id);
    return client == clients_.end() ? nullptr : client->second;
  }

  void Drop(absl::string_view container_id) {
    Ptr last;
    absl::MutexLock lock(&mutex_);
    auto client = clients_.find(container_id);
    if (client == clients_.end()) return;
    // Freed after the lock, for a client's end may take a while.
    last = std::move(client->second);
    clients_.erase(client);
  }

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Ptr> clients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_SHIMS_H_
