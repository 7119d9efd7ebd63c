// What must be known to take a pod off its network, on disk: one file per
// pod, from before its first plugin runs until its last one has taken
// everything back.
//
// By it a pod is detached by the configuration that it was attached with, with
// the result that its plugins gave, whatever has become of server,
// configuration and plugins. docs/on_disk.md tells the format.
// Thread safety: any thread; calls for one pod are the caller's to serialise.
// Blocks on the disk.

#ifndef GANTRY_RUNTIME_NET_CNI_CACHE_H_
#define GANTRY_RUNTIME_NET_CNI_CACHE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/base/unique_fd.h"
#include "runtime/net/cni/attachment.h"
#include "runtime/net/cni/config.h"
#include "runtime/sys/atomic_write.h"

namespace gantry::net::cni {

struct CachedPod {
  Attachment attachment;
  NetworkConfig config;
  // The last plugin's so far, as JSON; empty: there is none yet.
  std::string result;
  // How often a DEL has failed.
  int failed_deletions = 0;
  // The pod is gone, what its plugins hold is not: DEL is owed.
  bool owed = false;
};

class Cache {
 public:
  // `directory` is made with its parents, if need be, when it is first written
  // to.
  explicit Cache(std::string directory) : directory_(std::move(directory)) {}

  // Writes the pod's file: that survives the end of any process, and from Sync
  // on a power cut.
  absl::Status Put(const CachedPod& pod) const;
  // Replaces the pod's file; survives a power cut, which finds the old one or
  // the new one.
  absl::Status Replace(const CachedPod& pod) const;
  // Adds to the pod's file, by one write, what is `result` (one line of JSON)
  // from here on. Survives the end of any process too; a power cut may cost it,
  // but nothing that is there already.
  absl::Status AddResult(const std::string& pod_id,
                         absl::string_view result) const;
  // What was put of the pod survives a power cut from here on. Takes
  // milliseconds; not to run beside Put of the same pod.
  absl::Status Sync(const std::string& pod_id) const;
  // NOT_FOUND: the pod has none; DATA_LOSS: it cannot be read.
  absl::StatusOr<CachedPod> Get(const std::string& pod_id) const;
  // Missing is OK.
  absl::Status Remove(const std::string& pod_id) const;
  // Ids of pods that have a file.
  absl::StatusOr<std::vector<std::string>> List() const;
  // Removes what a killed writer left; while nobody writes.
  absl::Status Clean() const;

 private:
  absl::Status Write(const CachedPod& pod, sys::Durability durability) const;

  const std::string directory_;
};

// The file's text and back, for Cache. DATA_LOSS with the key that is wrong.
std::string ToText(const CachedPod& pod);
absl::StatusOr<CachedPod> FromText(absl::string_view text,
                                   absl::string_view what);

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_CACHE_H_
