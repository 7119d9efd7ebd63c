// libcurl's multi handles that are not in use, with the group of their
// requests: each has a cache of open connections, and each is used by one
// thread at a time.
//
// For curl_client.cc alone. Owns what was given to it. Thread-safe; never
// blocks, but for closing what is too much.

#ifndef GANTRY_RUNTIME_HTTP_MULTI_POOL_H_
#define GANTRY_RUNTIME_HTTP_MULTI_POOL_H_

#include <curl/curl.h>

#include <iterator>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace gantry::http {

class MultiPool {
 public:
  ~MultiPool() {
    for (const auto& [group, multi] : idle_) curl_multi_cleanup(multi);
  }

  CURLM* Take(int group) {
    {
      absl::MutexLock lock(&mutex_);
      for (auto it = idle_.rbegin(); it != idle_.rend(); ++it) {
        if (it->first != group) continue;
        CURLM* multi = it->second;
        idle_.erase(std::next(it).base());
        return multi;
      }
    }
    return curl_multi_init();
  }

  void Give(int group, CURLM* multi) {
    CURLM* surplus = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      idle_.emplace_back(group, multi);
      if (idle_.size() > kMost) {
        surplus = idle_.front().second;
        idle_.erase(idle_.begin());
      }
    }
    if (surplus != nullptr) curl_multi_cleanup(surplus);
  }

 private:
  static constexpr size_t kMost = 16;

  absl::Mutex mutex_;
  // Longest unused first.
  std::vector<std::pair<int, CURLM*>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::http

#endif  // GANTRY_RUNTIME_HTTP_MULTI_POOL_H_
