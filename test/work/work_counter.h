// Counts what a server and the processes that it starts do: instructions in
// user space, or system calls, by kind of process. Neither depends on how busy
// the machine is, nor on a counter of the processor's, which a virtual machine
// often lacks.
//
// They are traced (test/trace): one step at a time for instructions, from
// system call to system call for the others. Of the server, whose threads poll,
// only system calls are counted. A container's program is let go when it is
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
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "test/trace/tracer.h"

namespace gantry::work_count {

using trace::Unit;

// Of each kind of process ("server", "spawn", "shim", "pin", "init"), counts by
// the name of the system call, or under "instructions".
using Counts = std::map<std::string, std::map<std::string, int64_t>>;

class WorkCounter : private trace::Observer {
 public:
  // What is executed is followed if `follows` says so of its program's path.
  using FollowsProgram = std::function<bool(const std::string& program)>;
  WorkCounter(Unit unit, FollowsProgram follows)
      : follows_(std::move(follows)), tracer_(unit, this) {}

  // All threads of the process `server`.
  absl::Status Attach(pid_t server) { return tracer_.Attach(server); }

  // Executes a command (execvp(3)), of the kind "shim"; what it starts is of
  // the kind "init". Its exit status is not looked at.
  absl::Status Start(const std::vector<std::string>& command) {
    return tracer_.Start(command);
  }

  // Lets what was attached run on, counting.
  absl::Status Run() { return tracer_.Run(); }

  // What was counted since the call before.
  Counts Take();

 private:
  bool Follows(const std::string& program) override;
  bool Entry(pid_t thread, const trace::Tracee& tracee,
             const trace::Call& call) override;
  void Step(const trace::Tracee& tracee) override;

  const FollowsProgram follows_;
  trace::Tracer tracer_;

  std::mutex mutex_;
  Counts counts_;  // guarded by mutex_
};

}  // namespace gantry::work_count

#endif  // GANTRY_TEST_WORK_WORK_COUNTER_H_
