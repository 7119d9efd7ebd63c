// Starts shims: one per container, and the short-lived one that pins the
// namespaces of a pod (docs/shim_protocol.md); both ahead if it can.
//
// All are executed from one sealed memfd made at start, so that they share
// their pages and an upgrade of the file on disk touches none of them.
// Thread safety: all methods from any thread. Spawning takes well under a
// millisecond of the calling thread; waiting for an answer holds none.

#ifndef GANTRY_SERVER_SHIM_LAUNCHER_H_
#define GANTRY_SERVER_SHIM_LAUNCHER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/shim.pb.h"
#include "proto/spec.pb.h"
#include "runtime/base/unique_fd.h"
#include "server/shim/shim_client.h"
#include "server/shim/shim_process.h"
#include "server/shim/spare_namespaces.h"
#include "server/shim/spare_shim.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "server/work/task.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim_client {

// The descriptors are borrowed until the call returns.
struct LaunchRequest {
  // Its first characters are shown as the shim's argument.
  std::string container_id;
  // A serialized plan::ContainerPlan.
  std::string plan;
  // The container's run directory, 0700: shim.sock and exit.pb come there.
  int run_dir_fd = -1;
  // Opened for appending; -1 if the plan has no log.
  int log_fd = -1;
  // The namespaces that the plan joins, in this order as far as it joins them:
  // network, ipc, uts, pid, user (shim/donation.h).
  std::vector<int> join_fds;
  // Puts the shim, by its process, where it shall live, before it makes a
  // cgroup; set if and only if the plan has the shim await that. An error ends
  // the shim, which has made nothing then.
  std::function<work::Task<absl::Status>(pid_t)> place;
  // A step of the launch begins: "execute the shim". May be empty.
  std::function<void(absl::string_view)> on_step;
};

struct Launched {
  shim::Started started;
  std::unique_ptr<ShimClient> client;
};

struct PinRequest {
  // The pod's run directory; borrowed until the call returns.
  int run_dir_fd = -1;
  bool network = false;
  bool ipc = false;
  bool uts = false;
  // Owns the other namespaces made; absent: the host's does.
  std::optional<spec::UserNamespace> user;
  // Of the new UTS namespace.
  std::string hostname;
  // Bytes of the pod's /dev/shm; 0: none is made.
  uint64_t shm_size = 0;
  // SELinux label of all in it; empty: none of its own.
  std::string shm_context;
  // Key with dots -> value, set inside the new namespaces.
  std::map<std::string, std::string> sysctls;
  // Called while they are made, for what takes about as long; not if that could
  // not begin. May be empty.
  std::function<void()> meanwhile;
};

struct LauncherOptions {
  // How long a start may take until it is given up and killed.
  absl::Duration start_timeout = absl::Seconds(60);
  // How long a start that is given up may take to undo itself before its shim
  // is killed.
  absl::Duration give_up_timeout = absl::Seconds(5);
  absl::Duration pin_timeout = absl::Seconds(30);
  ShimClientOptions client;
};

class Launcher {
 public:
  // Reads and checks the shim at `shim_path`: a regular executable ELF file
  // that only its owner (root, or who the server runs as) can change.
  // `loop` and `executor` must outlive this and every client it makes.
  static absl::StatusOr<std::unique_ptr<Launcher>> Create(
      const std::string& shim_path, work::LoopThread& loop,
      work::Executor& executor, LauncherOptions options = {});

  // OK once the container's program was executed. The status of the failed
  // step, as the shim found it, if it could not be; UNAVAILABLE if the shim
  // died before it said so, DEADLINE_EXCEEDED after start_timeout. In these
  // last two cases the caller kills and removes the container's cgroup and
  // unlinks shim.sock, as for a lost shim; no shim is left but one that the
  // kernel holds in an uninterruptible wait.
  work::Task<absl::StatusOr<Launched>> Launch(LaunchRequest request);

  // Makes the namespaces of a pod and pins them as files in its run directory.
  // An error says what failed; unpinning (umount and unlink of each) is the
  // caller's, after any error as after success.
  work::Task<absl::Status> PinNamespaces(PinRequest request);

  // Whether the next pod like the last one finds its namespaces made.
  bool HasSpareNamespaces() const { return spare_namespaces_->has_spare(); }
  // Of the shim that was started for the next container.
  std::optional<pid_t> SpareShimPid() const { return spare_shim_->pid(); }

 private:
  Launcher(UniqueFd binary, std::shared_ptr<SpareNamespaces> spare_namespaces,
           std::shared_ptr<SpareShim> spare_shim, work::LoopThread& loop,
           work::Executor& executor, LauncherOptions options);

  // Has `place` done and tells the shim.
  work::Task<absl::Status> Place(const ShimProcess& shim,
                                 const LaunchRequest& request);
  // Asks `shim` to give up, and kills it if it has not ended after `patience`.
  work::Task<void> End(ShimProcess shim, absl::Duration patience);
  // For the next pod like this one.
  void MakeNamespacesLater(shim::PinRequest pin);
  void MakeShimLater();
  // On a thread of the executor, when no pod or container was made for a while.
  void MakeLater(std::function<absl::Status()> make, work::Timeout* timer)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const UniqueFd binary_;
  const std::shared_ptr<SpareNamespaces> spare_namespaces_;
  const std::shared_ptr<SpareShim> spare_shim_;
  work::LoopThread& loop_;
  work::Executor& executor_;
  const LauncherOptions options_;
  absl::Mutex mutex_;
  work::Timeout namespaces_timer_ ABSL_GUARDED_BY(mutex_);
  work::Timeout shim_timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_LAUNCHER_H_
