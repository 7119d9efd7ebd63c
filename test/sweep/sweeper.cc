#include "test/sweep/sweeper.h"

#include <fnmatch.h>
#include <signal.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "test/sweep/registers.h"
#include "test/sweep/state_calls.h"

namespace gantry::sweep {

int64_t Sweeper::Finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  injected_.wait(lock, [this] { return returning_ == 0; });
  has_struck_ = true;
  return count_;
}

bool Sweeper::Follows(const std::string& program) {
  return absl::StrContains(program, "gantry-shim");
}

bool Sweeper::Counts(pid_t thread, const trace::Tracee& tracee,
                     const std::string& name, const trace::Call& call) const {
  if (order_.blow == Blow::kError) {
    return CanFail(thread, name, call, order_.error);
  }
  if (!ChangesState(thread, name, call)) return false;
  return order_.blow == Blow::kNone || !Victims(tracee).empty();
}

bool Sweeper::Entry(pid_t thread, const trace::Tracee& tracee,
                    const trace::Call& call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (has_struck_) return true;
  const std::string name = trace::CallName(call.number);
  if (!Counts(thread, tracee, name, call)) return true;
  const auto described = [&] {
    return absl::StrCat(tracee.kind, " ", Describe(thread, name, call));
  };
  if (!order_.only.empty() &&
      fnmatch(order_.only.c_str(), described().c_str(), 0) != 0) {
    return true;
  }
  ++count_;
  const bool is_it = count_ == order_.at && order_.blow != Blow::kNone;
  if (!is_it && !order_.list) return true;
  tell_(absl::StrCat(is_it ? "hit " : "call ", described()));
  if (!is_it) return true;
  has_struck_ = true;
  if (order_.blow == Blow::kError) {
    // A descriptor is closed whatever close(2) returns.
    if (name == "close" || SkipCall(thread).ok()) returning_ = thread;
    return true;
  }
  if (order_.after && name != "exit_group") {
    returning_ = thread;
    return true;
  }
  return Kill(thread, tracee);
}

bool Sweeper::Exit(pid_t thread, const trace::Tracee& tracee) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (thread != returning_) return true;
  returning_ = 0;
  injected_.notify_all();
  if (order_.blow != Blow::kError) return Kill(thread, tracee);
  FailCall(thread, order_.error).IgnoreError();  // it was killed meanwhile
  return true;
}

std::set<pid_t> Sweeper::Victims(const trace::Tracee& caller) const {
  std::set<pid_t> victims;
  if (order_.blow != Blow::kKillServer && caller.shim != 0) {
    victims.insert(caller.shim);
  }
  for (const auto& [thread, tracee] : tracer_.tracees()) {
    const bool is_server = tracee.kind == trace::kServer;
    if (order_.blow == Blow::kKillServer
            ? is_server
            : !is_server && caller.shim == 0 && tracee.shim == tracee.process) {
      victims.insert(tracee.process);
    }
  }
  if (order_.blow == Blow::kKillBoth && !victims.empty()) {
    for (const auto& [thread, tracee] : tracer_.tracees()) {
      if (tracee.kind == trace::kServer) victims.insert(tracee.process);
    }
  }
  return victims;
}

bool Sweeper::Kill(pid_t thread, const trace::Tracee& caller) {
  victims_ = Victims(caller);
  for (const pid_t victim : victims_) kill(victim, SIGKILL);
  if (victims_.empty() || victims_.count(caller.process) > 0) return true;
  held_ = thread;
  return false;
}

void Sweeper::Gone(pid_t thread, const trace::Tracee& tracee) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (thread == returning_) {
    returning_ = 0;
    injected_.notify_all();
  }
  if (thread == held_) held_ = 0;
  // A process's first thread is told of last.
  if (thread != tracee.process) return;
  victims_.erase(tracee.process);
  if (victims_.empty() && held_ != 0) tracer_.Release(std::exchange(held_, 0));
}

}  // namespace gantry::sweep
