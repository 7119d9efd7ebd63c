// The pod network that CNI plugins make.
//
// A pod is attached by the configuration of that moment and detached by the
// same one, from its file in the cache. Pods come and go side by side, each
// with plugins of its own; only GC is alone.
//
// A DEL that fails is the caller's error, to be tried again: addresses are not
// given up in silence. Not for ever: after kMaxDeletions failures, or if the
// plugin is not there any more, the pod is let go and its DEL stays owed: Sweep
// and Mend try it again.
// Thread safety: all methods from any thread. Blocks for the plugins' time, up
// to the deadline, but for Facts and Close.

#ifndef GANTRY_RUNTIME_NET_CNI_CNI_NETWORK_H_
#define GANTRY_RUNTIME_NET_CNI_CNI_NETWORK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/net/cni/cache.h"
#include "runtime/net/cni/chain.h"
#include "runtime/net/cni/config_dir.h"
#include "runtime/net/cni/input.h"
#include "runtime/net/pod_network.h"

namespace gantry::net::cni {

struct CniSettings {
  // Where configurations are; see ConfigDir.
  std::string config_dir;
  std::string network_name;
  PluginSettings plugins;
  // For all plugins of one ADD, DEL, CHECK or GC.
  absl::Duration timeout = absl::Seconds(60);
  // Directories of this network's own: one that outlives the boot, one of this
  // boot.
  std::string cache_dir;
  std::string input_dir;
  // Before what is owed is tried again.
  absl::Duration mend_pause = absl::Minutes(1);
  // Told of what went wrong without being the caller's error.
  std::function<void(const absl::Status&)> report = [](const absl::Status&) {};
};

inline constexpr int kMaxDeletions = 5;

class CniNetwork : public PodNetwork {
 public:
  explicit CniNetwork(CniSettings settings);

  // Whether there is a configuration, good or bad.
  bool HasConfig() const { return configs_.HasAny(); }

  std::string ProviderForNewPods() const override { return kCniProvider; }
  absl::StatusOr<std::vector<IpAddress>> Attach(
      const AttachRequest& request) override;
  absl::Status Detach(const std::string& pod_id,
                      absl::string_view provider) override;
  bool KeepsFiles() const override { return true; }
  absl::Status Recover(const std::vector<AttachedPod>& pods) override;
  std::vector<absl::Status> Sweep(const std::set<std::string>& known,
                                  bool in_use) override;
  absl::Status CheckPod(const std::string& pod_id) override;
  absl::Status Check() override;
  void Mend() override;
  bool HasDebts() const override;
  void Close() override {}
  std::vector<std::pair<std::string, std::string>> Facts() const override;

 private:
  using Loaded = absl::StatusOr<std::shared_ptr<const LoadedNetwork>>;

  int64_t Deadline() const;
  Loaded LoadConfig();
  absl::StatusOr<Result> Add(CachedPod& pod)
      ABSL_SHARED_LOCKS_REQUIRED(gc_mutex_);
  // After an Add that failed.
  absl::Status TakeBack(CachedPod pod, const Progress& progress)
      ABSL_SHARED_LOCKS_REQUIRED(gc_mutex_);
  absl::Status Delete(CachedPod pod) ABSL_SHARED_LOCKS_REQUIRED(gc_mutex_);
  // Notes that a DEL failed. OK: the pod is let go.
  absl::Status NoteFailure(CachedPod pod, absl::Status failure);
  // As the pod's file has it; as good as can be, if it is damaged.
  absl::StatusOr<CachedPod> ReadCache(const std::string& pod_id);
  void Forget(const std::string& pod_id);
  absl::Status DeleteLeftOver(const std::string& pod_id);
  std::vector<absl::Status> CollectGarbage();

  const CniSettings settings_;
  ConfigDir configs_;
  const Cache cache_;
  const Inputs inputs_;
  const Chain chain_;

  // Shared while a pod is attached or detached; alone for GC. Before mutex_.
  absl::Mutex gc_mutex_;
  // One STATUS at a time, and one at a time who deletes what is left or owed.
  absl::Mutex status_mutex_;
  absl::Mutex mend_mutex_;

  mutable absl::Mutex mutex_;
  absl::Status ready_ ABSL_GUARDED_BY(mutex_) =
      absl::FailedPreconditionError("the network was not looked at yet");
  std::shared_ptr<const LoadedNetwork> current_ ABSL_GUARDED_BY(mutex_);
  // Pods with a file: those on the network, and those let go.
  std::set<std::string> pods_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> owed_ ABSL_GUARDED_BY(mutex_);
  // pods_ as the server found it.
  std::set<std::string> found_ ABSL_GUARDED_BY(mutex_);
  // On Clock::BootNanos().
  absl::Duration mended_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_CNI_NETWORK_H_
