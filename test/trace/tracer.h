// Follows a server and the processes that it starts by ptrace(2), and tells an
// observer of each system call, or of each instruction, that they make.
//
// All threads of a process are followed, and what they make: what it executes
// only if the observer wants it, so a container's program is let go. What is
// traced when the tracer's process ends runs on by itself.
//
// Thread safety: one thread, and that of the observer's functions; all calls of
// ptrace(2) must be its. Blocking: Run, until no traced process is left. Slow:
// a stop takes microseconds.

#ifndef GANTRY_TEST_TRACE_TRACER_H_
#define GANTRY_TEST_TRACE_TRACER_H_

#include <sys/ptrace.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace gantry::trace {

enum class Unit { kInstructions, kSystemCalls };

// Kinds of processes.
inline constexpr char kServer[] = "server";
inline constexpr char kSpawn[] = "spawn";  // from clone to execve
inline constexpr char kShim[] = "shim";
inline constexpr char kPin[] = "pin";
inline constexpr char kInit[] = "init";

struct Tracee {
  std::string kind;
  // Of the process that it is a thread of.
  pid_t process = 0;
  // The process of the kinds spawn, shim and pin that it is, or that made it; 0
  // for the server.
  pid_t shim = 0;
};

// As PTRACE_GET_SYSCALL_INFO gives it; the kernel's own names.
struct Call {
  uint64_t number = 0;
  uint64_t arguments[6] = {};
};

class Observer {
 public:
  virtual ~Observer() = default;

  // Whether the process is still followed that executes this program.
  virtual bool Follows(const std::string& program) = 0;

  // Before a system call is made, and after it. The thread goes on when it
  // returns true; otherwise when Tracer::Release says so.
  virtual bool Entry(pid_t /*thread*/, const Tracee&, const Call&) {
    return true;
  }
  virtual bool Exit(pid_t /*thread*/, const Tracee&) { return true; }

  // After an instruction. Not of the server, whose threads poll.
  virtual void Step(const Tracee&) {}

  // The thread is no longer there, or no longer followed.
  virtual void Gone(pid_t /*thread*/, const Tracee&) {}
};

class Tracer {
 public:
  // The observer must outlive it.
  Tracer(Unit unit, Observer* observer) : unit_(unit), observer_(observer) {}

  // All threads of a process, of a kind that is seen from its program.
  absl::Status Attach(pid_t process);

  // Executes a command (execvp(3)), of the kind "shim"; what it starts is of
  // the kind "init". Its exit status is not looked at.
  absl::Status Start(const std::vector<std::string>& command);

  // Lets what was attached run on, observing.
  absl::Status Run();

  // Of a thread that Entry or Exit has held.
  void Release(pid_t thread);

  // By thread.
  const std::map<pid_t, Tracee>& tracees() const { return tracees_; }

 private:
  absl::Status AttachThread(pid_t thread);
  // One stop of a tracee: tells of it, and lets it go on.
  void Handle(pid_t thread, int status);
  void HandleEvent(pid_t thread, int event);
  void HandleSystemCall(pid_t thread);
  void HandleExec(pid_t thread);
  void Adopt(pid_t parent, pid_t child, bool is_thread);
  void Forget(pid_t thread);
  void Continue(pid_t thread, int signal);

  const Unit unit_;
  Observer* const observer_;
  std::map<pid_t, Tracee> tracees_;
  // Stopped for the first time before its parent told of it.
  std::set<pid_t> early_;
};

// The name of a system call of this architecture; "syscall N" if it has none.
std::string CallName(uint64_t number);

// Everything that ptrace(2) takes as an address or data is a number here.
long Ptrace(__ptrace_request request, pid_t thread, uintptr_t address,
            uintptr_t data);

}  // namespace gantry::trace

#endif  // GANTRY_TEST_TRACE_TRACER_H_
