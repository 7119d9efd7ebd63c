// Which network pods are put on: the first configuration by file name, or the
// first one of a given network name, in a directory that others change while
// the server runs.
//
// Looked up anew each time (a listing and a stat): nothing watches, nothing is
// missed. Read and parsed only when a file has changed.
// Thread safety: all methods from any thread. Blocks on the file system.

#ifndef GANTRY_RUNTIME_NET_CNI_CONFIG_DIR_H_
#define GANTRY_RUNTIME_NET_CNI_CONFIG_DIR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "runtime/net/cni/config.h"

namespace gantry::net::cni {

struct LoadedNetwork {
  std::string file;
  NetworkConfig config;
};

class ConfigDir {
 public:
  // `network_name` empty: the first file decides, also if it is broken: pods
  // do not end up on another network for a typing error.
  ConfigDir(std::string directory, std::string network_name)
      : directory_(std::move(directory)),
        network_name_(std::move(network_name)) {}

  // NOT_FOUND: no configuration, or none of that name; INVALID_ARGUMENT: the
  // one that counts is broken. Never null if OK.
  absl::StatusOr<std::shared_ptr<const LoadedNetwork>> Load();

  // Whether there is any configuration, good or bad.
  bool HasAny() const;

  const std::string& directory() const { return directory_; }

 private:
  using Loaded = absl::StatusOr<std::shared_ptr<const LoadedNetwork>>;
  Loaded Read(const std::vector<std::string>& files) const;

  const std::string directory_;
  const std::string network_name_;
  absl::Mutex mutex_;
  // What the directory looked like when `loaded_` was read; empty: never.
  std::string seen_ ABSL_GUARDED_BY(mutex_);
  Loaded loaded_ ABSL_GUARDED_BY(mutex_) =
      absl::NotFoundError("not looked for yet");
};

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_CONFIG_DIR_H_
