#include "runtime/sys/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace gantry::sys::internal {
namespace {

// Signals as the kernel counts them: 1 to 64, in a mask of 8 bytes.
constexpr int kSignals = 64;
constexpr size_t kMaskBytes = 8;

// struct sigaction as rt_sigaction(2) takes it; all zero is SIG_DFL.
struct KernelSigaction {
  unsigned long handler, flags, restorer, mask;
};

// clone3 onto the stack in `args`: the child calls entry(arg), which does not
// return; the caller gets the child's pid or -errno. glibc's clone() would do,
// but ThreadSanitizer replaces it by one that takes locks.
long CloneOntoStack(struct clone_args* args, void (*entry)(void*), void* arg) {
#if defined(__x86_64__)
  register void (*r8)(void*) asm("r8") = entry;
  register void* r9 asm("r9") = arg;
  long result;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %[arg], %%rdi\n\t"
      "call *%[entry]\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(args),
        "S"(sizeof *args), [entry] "r"(r8), [arg] "r"(r9)
      : "rcx", "r11", "cc", "memory");
  return result;
#elif defined(__aarch64__)
  register long x0 asm("x0") = reinterpret_cast<long>(args);
  register long x1 asm("x1") = sizeof *args;
  register void (*x3)(void*) asm("x3") = entry;
  register void* x4 asm("x4") = arg;
  register long x8 asm("x8") = SYS_clone3;
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, %[arg]\n\t"
      "blr %[entry]\n\t"
      "brk #0\n"
      "1:"
      : "+r"(x0)
      : "r"(x1), "r"(x8), [entry] "r"(x3), [arg] "r"(x4)
      : "cc", "memory");
  return x0;
#else
#error "write CloneOntoStack for this architecture"
#endif
}

[[noreturn]] void Exit(int code) {
  while (true) syscall(SYS_exit_group, code);
}

[[noreturn]] void Fail(SpawnPlan* plan, SpawnStage stage) {
  plan->error = errno;
  plan->failed_stage = stage;
  Exit(127);
}

// A handler of the caller must not run here, and what the caller ignores
// (SIGPIPE) the program must not.
void ResetSignals() {
  const KernelSigaction defaults = {};
  for (int signal = 1; signal <= kSignals; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    syscall(SYS_rt_sigaction, signal, &defaults, nullptr, kMaskBytes);
  }
}

// Sources are first copied above all targets, so that none is overwritten
// before it was used, and a source that is its own target loses close-on-exec.
// Gives the place of exec_fd after that.
int PlaceDescriptors(SpawnPlan* plan) {
  const int base =
      plan->fd_count == 0 ? 0 : plan->fds[plan->fd_count - 1].target + 1;
  int exec_fd = -1;
  if (plan->exec_fd >= 0) {
    exec_fd = syscall(SYS_fcntl, plan->exec_fd, F_DUPFD_CLOEXEC, base);
    if (exec_fd < 0) Fail(plan, SpawnStage::kDescriptors);
  }
  for (size_t i = 0; i < plan->fd_count; ++i) {
    ChildFd* fd = &plan->fds[i];
    fd->moved = syscall(SYS_fcntl, fd->source, F_DUPFD_CLOEXEC, base);
    if (fd->moved < 0) Fail(plan, SpawnStage::kDescriptors);
  }
  for (size_t i = 0; i < plan->fd_count; ++i) {
    const ChildFd* fd = &plan->fds[i];
    if (syscall(SYS_dup3, fd->moved, fd->target, 0) < 0) {
      Fail(plan, SpawnStage::kDescriptors);
    }
  }
  return exec_fd;
}

void CloseOnExec(SpawnPlan* plan, unsigned first, unsigned last) {
  if (first > last) return;
  if (syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) != 0) {
    Fail(plan, SpawnStage::kClose);
  }
}

// All but the targets, by close-on-exec: exec_fd is still needed.
void CloseOthers(SpawnPlan* plan) {
  unsigned next = 0;
  for (size_t i = 0; i < plan->fd_count; ++i) {
    const unsigned target = plan->fds[i].target;
    if (target > next) CloseOnExec(plan, next, target - 1);
    next = target + 1;
  }
  CloseOnExec(plan, next, ~0U);
}

[[noreturn]] void RunProgram(void* arg) {
  SpawnPlan* plan = static_cast<SpawnPlan*>(arg);
  ResetSignals();
  if (plan->new_group && syscall(SYS_setpgid, 0, 0) != 0) {
    Fail(plan, SpawnStage::kGroup);
  }
  if (plan->new_session && syscall(SYS_setsid) < 0) {
    Fail(plan, SpawnStage::kSession);
  }
  if (plan->cwd_fd >= 0 && syscall(SYS_fchdir, plan->cwd_fd) != 0) {
    Fail(plan, SpawnStage::kDirectory);
  }
  const int exec_fd = PlaceDescriptors(plan);
  CloseOthers(plan);
  const uint64_t none = 0;
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, kMaskBytes) !=
      0) {
    Fail(plan, SpawnStage::kSignals);
  }
  if (exec_fd >= 0) {
    syscall(SYS_execveat, exec_fd, "", plan->argv, plan->env, AT_EMPTY_PATH);
  } else {
    syscall(SYS_execve, plan->path, plan->argv, plan->env);
  }
  Fail(plan, SpawnStage::kExecute);
}

[[noreturn]] void RunIntermediate(void* arg) {
  SpawnPlan* plan = static_cast<SpawnPlan*>(arg);
  SpawnChild(plan);
  if (plan->pid > 0 && plan->error != 0) {
    syscall(SYS_wait4, plan->pid, nullptr, __WALL, nullptr);
  }
  Exit(0);
}

}  // namespace

void SpawnChild(SpawnPlan* plan) {
  struct clone_args args = {};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&plan->pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(plan->stack);
  args.stack_size = plan->stack_bytes;
  const long pid = CloneOntoStack(&args, RunProgram, plan);
  plan->pid = pid;
  if (pid >= 0) return;
  plan->failed_stage = SpawnStage::kClone;
  plan->error = -pid;
}

pid_t SpawnDetached(SpawnPlan* plan) {
  struct clone_args args = {};
  // CLONE_FILES: the pidfd that the intermediate gets is the caller's. No exit
  // signal: the caller's SIGCHLD, if it has a use for it, is not disturbed.
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
  args.stack = reinterpret_cast<uint64_t>(plan->intermediate_stack);
  args.stack_size = plan->stack_bytes;
  const long pid = CloneOntoStack(&args, RunIntermediate, plan);
  if (pid < 0) {
    plan->failed_stage = SpawnStage::kCloneIntermediate;
    plan->error = -pid;
  }
  return pid;
}

}  // namespace gantry::sys::internal
