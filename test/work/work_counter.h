// Counts what a server and the processes that it starts do: instructions in
// user space, or system calls, by kind of process. Neither depends on how busy
// the machine is, nor on a counter of the processor's, which a virtual machine
// often lacks.
//
// It traces them (ptrace(2)): one step at a time for instructions, from system
// call to system call for the others. Of the server, whose threads poll, only
// system calls are counted. A container's program is let go when it is
// executed. Other runtimes are counted as a command, for comparison.
//
// Thread safety: Attach, Start and Run on one thread; Take from any. Blocking:
// Run, until no traced process is left. Slow: a step takes microseconds.

#ifndef GANTRY_TEST_WORK_WORK_COUNTER_H_
#define GANTRY_TEST_WORK_WORK_COUNTER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace gantry::work_count {

enum class Unit { kInstructions, kSystemCalls };

// Of each kind of process ("server", "spawn", "shim", "pin", "init"), counts by
// the name of the system call, or under "instructions".
using Counts = std::map<std::string, std::map<std::string, int64_t>>;

class WorkCounter {
 public:
  // What is executed is followed if `follows` says so of its program's path.
  using Follows = std::function<bool(const std::string& program)>;
  WorkCounter(Unit unit, Follows follows)
      : unit_(unit), follows_(std::move(follows)) {}

  // All threads of the process `server`.
  absl::Status Attach(pid_t server);

  // Executes a command (execvp(3)), of the kind "shim"; what it starts is of
  // the kind "init". Its exit status is not looked at.
  absl::Status Start(const std::vector<std::string>& command);

  // Lets what was attached run on, counting.
  absl::Status Run();

  // What was counted since the call before.
  Counts Take();

 private:
  struct Tracee {
    std::string kind;
    // Of the process that it is a thread of.
    pid_t process = 0;
  };

  absl::Status AttachThread(pid_t thread);
  // One stop of a tracee: counts, and lets it go on.
  void Handle(pid_t thread, int status);
  void HandleEvent(pid_t thread, int event);
  void Adopt(pid_t parent, pid_t child, bool is_thread);
  void HandleExec(pid_t thread);
  void CountStep(pid_t thread);
  void CountSystemCall(pid_t thread);
  void Continue(pid_t thread, int signal);

  const Unit unit_;
  const Follows follows_;
  std::map<pid_t, Tracee> tracees_;
  // Stopped for the first time before its parent told of it.
  std::set<pid_t> early_;

  std::mutex mutex_;
  Counts counts_;  // guarded by mutex_
};

}  // namespace gantry::work_count

#endif  // GANTRY_TEST_WORK_WORK_COUNTER_H_
