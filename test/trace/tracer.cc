#include "test/trace/tracer.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::trace {
namespace {

constexpr uintptr_t kOptions = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                               PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                               PTRACE_O_TRACESYSGOOD;

std::string ReadProc(pid_t pid, const char* name) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/", name));
  return {std::istreambuf_iterator<char>(file), {}};
}

// The path of what the process executes; of a memfd its name.
std::string Program(pid_t pid) {
  std::error_code error;
  return std::filesystem::read_symlink(absl::StrCat("/proc/", pid, "/exe"),
                                       error)
      .string();
}

bool IsShim(const std::string& program) {
  return absl::StrContains(std::filesystem::path(program).filename().string(),
                           "gantry-shim");
}

// Of one that runs what a server executes.
std::string KindOfShim(pid_t pid) {
  const std::string arguments = ReadProc(pid, "cmdline");
  const size_t first = arguments.find('\0') + 1;
  return absl::StartsWith(arguments.substr(first), kPin) ? kPin : kShim;
}

// On one processor a step is a switch; on two it is a wake-up each way, which a
// virtual machine pays twenty times as much for.
void KeepOnOneProcessor(pid_t thread) {
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  // Slow is all that it is otherwise.
  sched_setaffinity(thread, sizeof(first), &first);
}

}  // namespace

long Ptrace(__ptrace_request request, pid_t thread, uintptr_t address,
            uintptr_t data) {
  return ptrace(request, thread, reinterpret_cast<void*>(address),
                reinterpret_cast<void*>(data));
}

std::string CallName(uint64_t number) {
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
                                                static_cast<int>(number));
  if (name == nullptr) return absl::StrCat("syscall ", number);
  std::string text = name;
  free(name);
  return text;
}

absl::Status Tracer::AttachThread(pid_t thread) {
  // One that ends meanwhile need not be interrupted.
  if (Ptrace(PTRACE_SEIZE, thread, 0, kOptions) != 0 ||
      (Ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0 && errno != ESRCH)) {
    return ErrnoStatus(errno, absl::StrCat("trace ", thread));
  }
  return absl::OkStatus();
}

absl::Status Tracer::Attach(pid_t process) {
  const std::string kind =
      IsShim(Program(process)) ? KindOfShim(process) : kServer;
  std::error_code error;
  const std::filesystem::directory_iterator threads(
      absl::StrCat("/proc/", process, "/task"), error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("list ", process));
  for (const auto& entry : threads) {
    pid_t thread = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &thread)) continue;
    const absl::Status attached = AttachThread(thread);
    // A thread that had nothing to do may have ended since it was listed.
    if (thread != process && ErrnoOf(attached) == ESRCH) continue;
    RETURN_IF_ERROR(attached);
    tracees_[thread] = {kind, process, kind == kServer ? 0 : process};
  }
  return absl::OkStatus();
}

absl::Status Tracer::Start(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));  // NOLINT: execvp's type
  }
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus(errno, "fork");
  if (child == 0) {
    raise(SIGSTOP);  // until it is traced
    execvp(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) {
    return ErrnoStatus(errno, absl::StrCat("wait for ", command[0]));
  }
  if (Ptrace(PTRACE_SEIZE, child, 0, kOptions) != 0) {
    return ErrnoStatus(errno, absl::StrCat("trace ", command[0]));
  }
  tracees_[child] = {kSpawn, child, child};
  kill(child, SIGCONT);
  return absl::OkStatus();
}

absl::Status Tracer::Run() {
  KeepOnOneProcessor(0);
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0 && errno == ECHILD) return absl::OkStatus();
    if (thread < 0) return ErrnoStatus(errno, "wait for what is traced");
    Handle(thread, status);
  }
}

void Tracer::Release(pid_t thread) { Continue(thread, 0); }

void Tracer::Forget(pid_t thread) {
  const auto found = tracees_.find(thread);
  if (found == tracees_.end()) return;
  const Tracee tracee = found->second;
  tracees_.erase(found);
  observer_->Gone(thread, tracee);
}

void Tracer::Handle(pid_t thread, int status) {
  if (!WIFSTOPPED(status)) {
    early_.erase(thread);
    Forget(thread);
    return;
  }
  if (tracees_.count(thread) == 0) {
    early_.insert(thread);
    return;
  }
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
    // Stopped by a signal, as it would be without us.
    Ptrace(PTRACE_LISTEN, thread, 0, 0);
  } else if (event != 0) {
    HandleEvent(thread, event);
  } else if (signal == (SIGTRAP | 0x80)) {
    HandleSystemCall(thread);
  } else if (signal == SIGTRAP && unit_ == Unit::kInstructions) {
    observer_->Step(tracees_[thread]);
    Continue(thread, 0);
  } else {
    Continue(thread, signal);
  }
}

void Tracer::HandleEvent(pid_t thread, int event) {
  switch (event) {
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK: {
      unsigned long child = 0;
      Ptrace(PTRACE_GETEVENTMSG, thread, 0,
             reinterpret_cast<uintptr_t>(&child));
      const std::string group = ReadProc(static_cast<pid_t>(child), "status");
      const bool is_thread =
          !absl::StrContains(group, absl::StrCat("\nTgid:\t", child, "\n"));
      Adopt(thread, static_cast<pid_t>(child), is_thread);
      break;
    }
    case PTRACE_EVENT_EXEC:
      HandleExec(thread);
      return;
    default:
      break;
  }
  Continue(thread, 0);
}

void Tracer::HandleSystemCall(pid_t thread) {
  __ptrace_syscall_info info = {};
  bool goes_on = true;
  if (Ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info),
             reinterpret_cast<uintptr_t>(&info)) > 0) {
    const Tracee& tracee = tracees_[thread];
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      Call call;
      call.number = info.entry.nr;
      std::copy(std::begin(info.entry.args), std::end(info.entry.args),
                std::begin(call.arguments));
      goes_on = observer_->Entry(thread, tracee, call);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
      goes_on = observer_->Exit(thread, tracee);
    }
  }
  if (goes_on) Continue(thread, 0);
}

void Tracer::Adopt(pid_t parent, pid_t child, bool is_thread) {
  const Tracee from = tracees_[parent];
  Tracee tracee = from;
  if (!is_thread) {
    tracee.process = child;
    if (from.kind == kServer || from.kind == kSpawn) {
      tracee.kind = kSpawn;
      tracee.shim = child;
    } else {
      tracee.kind = kInit;
    }
  }
  tracees_[child] = tracee;
  if (unit_ == Unit::kInstructions) KeepOnOneProcessor(child);
  if (early_.erase(child) > 0) Continue(child, 0);
}

void Tracer::HandleExec(pid_t thread) {
  if (!observer_->Follows(Program(thread))) {
    Forget(thread);
    Ptrace(PTRACE_DETACH, thread, 0, 0);
    return;
  }
  tracees_[thread] = {KindOfShim(thread), thread, thread};
  Continue(thread, 0);
}

// A tracee that was killed meanwhile says so by its next wait.
void Tracer::Continue(pid_t thread, int signal) {
  __ptrace_request how = PTRACE_SYSCALL;
  if (unit_ == Unit::kInstructions) {
    how = tracees_[thread].kind == kServer ? PTRACE_CONT : PTRACE_SINGLESTEP;
  }
  Ptrace(how, thread, 0, static_cast<uintptr_t>(signal));
}

}  // namespace gantry::trace
