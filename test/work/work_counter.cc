#include "test/work/work_counter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::work_count {
namespace {

constexpr char kServer[] = "server";
constexpr char kSpawn[] = "spawn";  // from clone to execve
constexpr char kShim[] = "shim";
constexpr char kPin[] = "pin";
constexpr char kInit[] = "init";
constexpr uintptr_t kOptions = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                               PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                               PTRACE_O_TRACESYSGOOD;

// Everything that ptrace(2) takes as an address or data is a number here.
long Trace(__ptrace_request request, pid_t thread, uintptr_t address,
           uintptr_t data) {
  return ptrace(request, thread, reinterpret_cast<void*>(address),
                reinterpret_cast<void*>(data));
}

std::string ReadProc(pid_t pid, const char* name) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/", name));
  return {std::istreambuf_iterator<char>(file), {}};
}

// What a new process of one of that kind is.
std::string KindOfChild(const std::string& parent) {
  if (parent == kServer || parent == kSpawn) return kSpawn;
  return kInit;
}

std::string NameOf(uint64_t number) {
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
                                                static_cast<int>(number));
  if (name == nullptr) return absl::StrCat("syscall ", number);
  std::string text = name;
  free(name);
  return text;
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

absl::Status WorkCounter::AttachThread(pid_t thread) {
  if (Trace(PTRACE_SEIZE, thread, 0, kOptions) != 0 ||
      Trace(PTRACE_INTERRUPT, thread, 0, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("trace ", thread));
  }
  return absl::OkStatus();
}

absl::Status WorkCounter::Attach(pid_t server) {
  std::error_code error;
  const std::filesystem::directory_iterator threads(
      absl::StrCat("/proc/", server, "/task"), error);
  if (error) return ErrnoStatus(error.value(), absl::StrCat("list ", server));
  for (const auto& entry : threads) {
    pid_t thread = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &thread)) continue;
    RETURN_IF_ERROR(AttachThread(thread));
    tracees_[thread] = {kServer, server};
  }
  return absl::OkStatus();
}

absl::Status WorkCounter::Start(const std::vector<std::string>& command) {
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
  if (Trace(PTRACE_SEIZE, child, 0, kOptions) != 0) {
    return ErrnoStatus(errno, absl::StrCat("trace ", command[0]));
  }
  tracees_[child] = {kSpawn, child};
  kill(child, SIGCONT);
  return absl::OkStatus();
}

absl::Status WorkCounter::Run() {
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

Counts WorkCounter::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(counts_, {});
}

void WorkCounter::Handle(pid_t thread, int status) {
  if (!WIFSTOPPED(status)) {
    tracees_.erase(thread);
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
    Trace(PTRACE_LISTEN, thread, 0, 0);
  } else if (event != 0) {
    HandleEvent(thread, event);
  } else if (signal == (SIGTRAP | 0x80)) {
    CountSystemCall(thread);
    Continue(thread, 0);
  } else if (signal == SIGTRAP && unit_ == Unit::kInstructions) {
    CountStep(thread);
    Continue(thread, 0);
  } else {
    Continue(thread, signal);
  }
}

void WorkCounter::HandleEvent(pid_t thread, int event) {
  switch (event) {
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK: {
      unsigned long child = 0;
      Trace(PTRACE_GETEVENTMSG, thread, 0, reinterpret_cast<uintptr_t>(&child));
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

void WorkCounter::Adopt(pid_t parent, pid_t child, bool is_thread) {
  const Tracee from = tracees_[parent];
  tracees_[child] = is_thread ? from : Tracee{KindOfChild(from.kind), child};
  if (unit_ == Unit::kInstructions) KeepOnOneProcessor(child);
  if (early_.erase(child) > 0) Continue(child, 0);
}

void WorkCounter::HandleExec(pid_t thread) {
  const std::string arguments = ReadProc(thread, "cmdline");
  std::error_code error;
  const std::string program = std::filesystem::read_symlink(
                                  absl::StrCat("/proc/", thread, "/exe"), error)
                                  .string();
  if (!follows_(program)) {
    tracees_.erase(thread);
    Trace(PTRACE_DETACH, thread, 0, 0);
    return;
  }
  const size_t first = arguments.find('\0') + 1;
  const bool is_pin = absl::StartsWith(arguments.substr(first), kPin);
  tracees_[thread] = {is_pin ? kPin : kShim, thread};
  Continue(thread, 0);
}

void WorkCounter::CountStep(pid_t thread) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_[tracees_[thread].kind]["instructions"];
}

void WorkCounter::CountSystemCall(pid_t thread) {
  __ptrace_syscall_info info = {};
  if (Trace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info),
            reinterpret_cast<uintptr_t>(&info)) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_ENTRY) {
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_[tracees_[thread].kind][NameOf(info.entry.nr)];
}

// A tracee that was killed meanwhile says so by its next wait.
void WorkCounter::Continue(pid_t thread, int signal) {
  __ptrace_request how = PTRACE_SYSCALL;
  if (unit_ == Unit::kInstructions) {
    how = tracees_[thread].kind == kServer ? PTRACE_CONT : PTRACE_SINGLESTEP;
  }
  Trace(how, thread, 0, static_cast<uintptr_t>(signal));
}

}  // namespace gantry::work_count
