#include "shim/process/exec_table.h"

#include <signal.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/pidfd.h"
#include "shim/init/init.h"
#include "shim/process/wait_status.h"

namespace gantry::shim {
namespace {

absl::Status CheckRequest(const ExecRequest& request, size_t fds) {
  if (request.exec_id().empty()) {
    return absl::InvalidArgumentError("the exec has no id");
  }
  if (request.args().empty()) {
    return absl::InvalidArgumentError("the exec has no program");
  }
  const size_t wanted = request.terminal() ? 0
                                           : size_t{request.has_stdin()} +
                                                 size_t{request.has_stdout()} +
                                                 size_t{request.has_stderr()};
  if (fds != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the exec came with ", fds, " descriptors, it needs ", wanted));
  }
  return absl::OkStatus();
}

}  // namespace

ExecTable::~ExecTable() {
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->timer.has_value()) loop_.CancelTimer(*entry->timer);
  }
}

absl::Status ExecTable::Start(const ExecRequest& request,
                              std::vector<UniqueFd> fds, Started started,
                              Ended ended) {
  RETURN_IF_ERROR(CheckRequest(request, fds.size()));
  if (Find(request.exec_id()) != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("exec ", request.exec_id(), " runs already"));
  }
  const init::ExecPlan plan = MakeExecPlan(container_, request);
  init::ExecContext context;
  context.target_pidfd = container_pidfd_;
  context.namespaces = container_.namespaces;
  if (!request.terminal()) {
    size_t next = 0;
    if (request.has_stdin()) context.stdio[0] = fds[next++].get();
    if (request.has_stdout()) context.stdio[1] = fds[next++].get();
    if (request.has_stderr()) context.stdio[2] = fds[next++].get();
  }
  auto entry = std::make_unique<Entry>();
  entry->id = request.exec_id();
  ASSIGN_OR_RETURN(entry->group, groups_.Make());
  absl::StatusOr<Child> child =
      StartChild(cgroup_, &entry->group->cgroup, /*namespaces=*/0,
                 [&plan, &context](int sync_fd) {
                   context.sync_fd = sync_fd;
                   init::RunExec(plan, context);
                 });
  if (!child.ok()) {
    groups_.Release(entry->group);
    return child.status();
  }
  entry->child = *std::move(child);
  entry->started = std::move(started);
  entry->ended = std::move(ended);
  Entry* raw = entry.get();
  entries_.push_back(std::move(entry));
  raw->setup = std::make_unique<SetupWatch>(
      loop_, std::move(raw->child.sync),
      [this, raw](SetupResult result) { OnSetup(raw, std::move(result)); });
  const absl::Status watched = raw->setup->Begin();
  if (!watched.ok()) {
    GiveUp(raw, watched);
    return absl::OkStatus();  // told through `started`
  }
  raw->timer = loop_.AddTimer(kSetupTime, [this, raw] {
    raw->timer.reset();
    OnTimeout(raw);
  });
  return absl::OkStatus();
}

void ExecTable::OnSetup(Entry* entry, SetupResult result) {
  if (!result.status.ok()) return GiveUp(entry, std::move(result.status));
  entry->setup.reset();
  if (entry->timer.has_value()) loop_.CancelTimer(*entry->timer);
  entry->timer.reset();
  entry->runs = true;
  Running running;
  running.pid = entry->child.pid;
  running.console = std::move(result.console);
  std::exchange(entry->started, nullptr)(std::move(running));
}

void ExecTable::OnTimeout(Entry* entry) {
  GiveUp(entry, absl::DeadlineExceededError(
                    absl::StrCat("set up exec ", entry->id, ": not done after ",
                                 kSetupTime.count() / 1000, " s")));
}

void ExecTable::GiveUp(Entry* entry, absl::Status why) {
  entry->setup.reset();
  if (entry->timer.has_value()) loop_.CancelTimer(*entry->timer);
  entry->timer.reset();
  sys::PidfdSendSignal(entry->child.pidfd.get(), SIGKILL).IgnoreError();
  groups_.Signal(entry->group, SIGKILL).IgnoreError();
  // The id is free again; the entry stays for the reaper.
  entry->id.clear();
  std::exchange(entry->started, nullptr)(std::move(why));
}

bool ExecTable::Reaped(pid_t pid, int wait_status) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i]->child.pid != pid) continue;
    Entry* entry = entries_[i].get();
    if (entry->setup != nullptr) entry->setup->Poll();
    if (entry->setup != nullptr) {
      GiveUp(entry, absl::InternalError("the process is gone, its set-up not"));
    }
    // Callbacks may add entries, but only this function removes them.
    std::unique_ptr<Entry> owned = std::move(entries_[i]);
    entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(i));
    // Who is told may count on its descriptors being closed.
    owned->child = Child();
    groups_.Release(owned->group);
    if (owned->runs) {
      ExecExited exited;
      exited.set_exec_id(owned->id);
      exited.set_exit_code(ExitCodeOf(wait_status));
      owned->ended(exited);
    }
    return true;
  }
  return false;
}

absl::Status ExecTable::Signal(const ExecSignalRequest& request) {
  Entry* entry = Find(request.exec_id());
  if (entry == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("exec ", request.exec_id(), " does not run"));
  }
  if (!request.tree()) {
    return sys::PidfdSendSignal(entry->child.pidfd.get(), request.signal());
  }
  return groups_.Signal(entry->group, request.signal());
}

std::vector<std::string> ExecTable::RunningIds() const {
  std::vector<std::string> ids;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->runs) ids.push_back(entry->id);
  }
  return ids;
}

ExecTable::Entry* ExecTable::Find(absl::string_view id) {
  if (id.empty()) return nullptr;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    if (entry->id == id) return entry.get();
  }
  return nullptr;
}

}  // namespace gantry::shim
