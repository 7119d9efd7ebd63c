// The execs of one container: from the request to the end of the program.
//
// Everything is asynchronous: a set-up that a hostile container holds up costs
// that exec alone, and at most kSetupTime. Ownership: of descriptors and of
// processes until they are reaped; what it refers to must outlive it. Thread
// safety: none; not for a process with threads (it clones). Blocks only for the
// placement in cgroups.

#ifndef GANTRY_SHIM_PROCESS_EXEC_TABLE_H_
#define GANTRY_SHIM_PROCESS_EXEC_TABLE_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/process/child.h"
#include "shim/process/exec_groups.h"
#include "shim/process/exec_template.h"
#include "shim/process/setup_watch.h"

namespace gantry::shim {

class ExecTable {
 public:
  static constexpr std::chrono::milliseconds kSetupTime{10000};

  struct Running {
    pid_t pid = -1;
    // The pty's master, if a terminal was asked for.
    UniqueFd console;
  };
  // Called once: the program runs, or why not.
  using Started = std::function<void(absl::StatusOr<Running>)>;
  // Called once after Started was called with a program that runs.
  using Ended = std::function<void(const ExecExited&)>;

  // `container_pidfd`: the first process, of which namespaces are joined.
  ExecTable(sys::EpollLoop& loop, const cgroup::Manager& cgroup,
            ExecTemplate container, int container_pidfd)
      : loop_(loop),
        cgroup_(cgroup),
        groups_(loop, cgroup),
        container_(std::move(container)),
        container_pidfd_(container_pidfd) {}
  ExecTable(const ExecTable&) = delete;
  ExecTable& operator=(const ExecTable&) = delete;
  ~ExecTable();

  // `fds`: as the request's has_* say. On an error neither callback is called.
  // INVALID_ARGUMENT for a request that can't be meant, ALREADY_EXISTS for an
  // id that runs.
  absl::Status Start(const ExecRequest& request, std::vector<UniqueFd> fds,
                     Started started, Ended ended);

  // A child was reaped; false if it is none of these.
  bool Reaped(pid_t pid, int wait_status);

  // With `tree` all that the exec has started, wherever it went in the
  // meantime. NOT_FOUND if no exec of that id runs.
  absl::Status Signal(const ExecSignalRequest& request);

  std::vector<std::string> RunningIds() const;
  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::string id;
    // Where all its processes are.
    ExecGroups::Group* group = nullptr;
    Child child;
    std::unique_ptr<SetupWatch> setup;
    std::optional<sys::EpollLoop::TimerId> timer;
    Started started;
    Ended ended;
    // What ended a set-up before its child did.
    absl::Status given_up;
    bool runs = false;
  };

  void OnSetup(Entry* entry, SetupResult result);
  void OnTimeout(Entry* entry);
  // Kills a child that is not to run; it leaves the table when it is reaped.
  void GiveUp(Entry* entry, absl::Status why);
  Entry* Find(absl::string_view id);

  sys::EpollLoop& loop_;
  const cgroup::Manager& cgroup_;
  ExecGroups groups_;
  const ExecTemplate container_;
  const int container_pidfd_;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PROCESS_EXEC_TABLE_H_
