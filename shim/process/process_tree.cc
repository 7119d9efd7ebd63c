#include "shim/process/process_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/proc_stat.h"

namespace gantry::shim {
namespace {

// How long the processes may take to stand still: a stop is taken when its
// process is next run, which a busy machine puts off.
constexpr int64_t kPatienceNanos = 2'000'000'000;
constexpr useconds_t kPauseMicros = 500;

bool Contains(const std::vector<pid_t>& sorted, pid_t pid) {
  return std::binary_search(sorted.begin(), sorted.end(), pid);
}

struct Snapshot {
  std::vector<ProcessLink> links;
  // Processes that a signal to stop has not reached yet, and that may so be in
  // the middle of a fork; sorted.
  std::vector<pid_t> awake;
};

Snapshot ReadSnapshot(int procfd, std::vector<pid_t> pids) {
  Snapshot snapshot;
  std::sort(pids.begin(), pids.end());
  for (pid_t pid : pids) {
    absl::StatusOr<sys::ProcStat> stat = sys::ReadProcStat(procfd, pid);
    if (!stat.ok()) continue;  // gone meanwhile: nothing to signal
    snapshot.links.push_back({pid, stat->ppid, stat->session});
    if (stat->state == 'R' || stat->state == 'S') snapshot.awake.push_back(pid);
  }
  return snapshot;
}

}  // namespace

std::vector<pid_t> TreeOf(pid_t root,
                          const std::vector<ProcessLink>& processes) {
  std::vector<pid_t> tree = {root};
  for (size_t known = 0; known != tree.size();) {
    known = tree.size();
    std::vector<pid_t> found;
    for (const ProcessLink& process : processes) {
      if (!Contains(tree, process.pid) &&
          (process.session == root || Contains(tree, process.parent))) {
        found.push_back(process.pid);
      }
    }
    tree.insert(tree.end(), found.begin(), found.end());
    std::sort(tree.begin(), tree.end());
    tree.erase(std::unique(tree.begin(), tree.end()), tree.end());
  }
  return tree;
}

absl::Status SignalTree(
    pid_t root,
    const std::function<absl::StatusOr<std::vector<pid_t>>()>& candidates,
    int signal) {
  ASSIGN_OR_RETURN(UniqueFd proc,
                   sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
  std::vector<pid_t> stopped;
  bool complete = false;
  const int64_t give_up = RealClock().BootNanos() + kPatienceNanos;
  while (!complete && RealClock().BootNanos() < give_up) {
    ASSIGN_OR_RETURN(std::vector<pid_t> pids, candidates());
    const Snapshot snapshot = ReadSnapshot(proc.get(), std::move(pids));
    const std::vector<pid_t> tree = TreeOf(root, snapshot.links);
    complete = true;
    for (pid_t pid : tree) {
      if (Contains(snapshot.awake, pid)) complete = false;
      if (Contains(stopped, pid)) continue;
      complete = false;
      kill(pid, SIGSTOP);
    }
    if (!complete) usleep(kPauseMicros);
    std::vector<pid_t> all;
    std::set_union(stopped.begin(), stopped.end(), tree.begin(), tree.end(),
                   std::back_inserter(all));
    stopped = std::move(all);
  }
  const bool resume = signal != SIGKILL && signal != SIGSTOP;
  absl::Status result = absl::OkStatus();
  for (pid_t pid : stopped) {
    if (kill(pid, signal) != 0 && errno != ESRCH && result.ok()) {
      result = ErrnoStatus(
          errno, absl::StrCat("send signal ", signal, " to process ", pid));
    }
    if (resume) kill(pid, SIGCONT);
  }
  if (result.ok() && !complete) {
    return absl::AbortedError(
        absl::StrCat("the processes of exec ", root, " do not stand still"));
  }
  return result;
}

}  // namespace gantry::shim
