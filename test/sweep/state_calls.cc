#include "test/sweep/state_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gantry::sweep {
namespace {

constexpr int kNone = -1;

enum class If {
  kAlways,
  kCreates,  // flags of open(2) in `flags`
  kHow,      // struct open_how(2) at `flags`
  kOutside,  // the descriptor leads out of the process
  kNever,    // known for what it is about only
};

// Numbers of arguments.
struct Known {
  absl::string_view name;
  If changes;
  int fd;
  int path;
  int flags = kNone;
};

constexpr Known kKnown[] = {
    // Files.
    {"open", If::kCreates, kNone, 0, 1},
    {"openat", If::kCreates, 0, 1, 2},
    {"openat2", If::kHow, 0, 1, 2},
    {"creat", If::kAlways, kNone, 0},
    {"write", If::kOutside, 0, kNone},
    {"writev", If::kOutside, 0, kNone},
    {"pwrite64", If::kOutside, 0, kNone},
    {"pwritev", If::kOutside, 0, kNone},
    {"pwritev2", If::kOutside, 0, kNone},
    {"sendfile", If::kOutside, 0, kNone},
    {"splice", If::kOutside, 2, kNone},
    {"copy_file_range", If::kOutside, 2, kNone},
    {"ftruncate", If::kAlways, 0, kNone},
    {"truncate", If::kAlways, kNone, 0},
    {"fallocate", If::kAlways, 0, kNone},
    {"rename", If::kAlways, kNone, 1},
    {"renameat", If::kAlways, 2, 3},
    {"renameat2", If::kAlways, 2, 3},
    {"unlink", If::kAlways, kNone, 0},
    {"unlinkat", If::kAlways, 0, 1},
    {"mkdir", If::kAlways, kNone, 0},
    {"mkdirat", If::kAlways, 0, 1},
    {"rmdir", If::kAlways, kNone, 0},
    {"link", If::kAlways, kNone, 1},
    {"linkat", If::kAlways, 2, 3},
    {"symlink", If::kAlways, kNone, 1},
    {"symlinkat", If::kAlways, 1, 2},
    {"mknod", If::kAlways, kNone, 0},
    {"mknodat", If::kAlways, 0, 1},
    {"chmod", If::kAlways, kNone, 0},
    {"fchmod", If::kAlways, 0, kNone},
    {"fchmodat", If::kAlways, 0, 1},
    {"chown", If::kAlways, kNone, 0},
    {"lchown", If::kAlways, kNone, 0},
    {"fchown", If::kAlways, 0, kNone},
    {"fchownat", If::kAlways, 0, 1},
    {"utimensat", If::kAlways, 0, 1},
    {"setxattr", If::kAlways, kNone, 0},
    {"lsetxattr", If::kAlways, kNone, 0},
    {"fsetxattr", If::kAlways, 0, kNone},
    {"fsync", If::kAlways, 0, kNone},
    {"fdatasync", If::kAlways, 0, kNone},
    {"syncfs", If::kAlways, 0, kNone},
    {"sync_file_range", If::kAlways, 0, kNone},
    {"flock", If::kAlways, 0, kNone},
    {"ioctl", If::kOutside, 0, kNone},
    // Mounts.
    {"mount", If::kAlways, kNone, 1},
    {"umount2", If::kAlways, kNone, 0},
    {"open_tree", If::kAlways, 0, 1},
    {"fsopen", If::kAlways, kNone, 0},
    {"fsconfig", If::kAlways, kNone, 2},
    {"fsmount", If::kAlways, kNone, kNone},
    {"move_mount", If::kAlways, 2, 3},
    {"mount_setattr", If::kAlways, 0, 1},
    {"pivot_root", If::kAlways, kNone, 0},
    {"chroot", If::kAlways, kNone, 0},
    // Processes and namespaces.
    {"clone", If::kAlways, kNone, kNone},
    {"clone3", If::kAlways, kNone, kNone},
    {"fork", If::kAlways, kNone, kNone},
    {"vfork", If::kAlways, kNone, kNone},
    {"execve", If::kAlways, kNone, 0},
    {"execveat", If::kAlways, 0, 1},
    {"exit_group", If::kAlways, kNone, kNone},
    {"setns", If::kAlways, 0, kNone},
    {"unshare", If::kAlways, kNone, kNone},
    {"setsid", If::kAlways, kNone, kNone},
    {"sethostname", If::kAlways, kNone, 0},
    {"kill", If::kAlways, kNone, kNone},
    {"pidfd_send_signal", If::kAlways, 0, kNone},
    {"prlimit64", If::kAlways, kNone, kNone},
    {"setrlimit", If::kAlways, kNone, kNone},
    {"capset", If::kAlways, kNone, kNone},
    {"setuid", If::kAlways, kNone, kNone},
    {"setgid", If::kAlways, kNone, kNone},
    {"setresuid", If::kAlways, kNone, kNone},
    {"setresgid", If::kAlways, kNone, kNone},
    {"setgroups", If::kAlways, kNone, kNone},
    {"seccomp", If::kAlways, kNone, kNone},
    // Messages.
    {"bind", If::kAlways, 0, kNone},
    {"listen", If::kAlways, 0, kNone},
    {"connect", If::kAlways, 0, kNone},
    {"shutdown", If::kAlways, 0, kNone},
    {"sendto", If::kOutside, 0, kNone},
    {"sendmsg", If::kOutside, 0, kNone},
    {"sendmmsg", If::kOutside, 0, kNone},
    // What only reads.
    {"read", If::kNever, 0, kNone},
    {"readv", If::kNever, 0, kNone},
    {"pread64", If::kNever, 0, kNone},
    {"recvfrom", If::kNever, 0, kNone},
    {"recvmsg", If::kNever, 0, kNone},
    {"accept4", If::kNever, 0, kNone},
    {"close", If::kNever, 0, kNone},
    {"fcntl", If::kNever, 0, kNone},
    {"lseek", If::kNever, 0, kNone},
    {"fstat", If::kNever, 0, kNone},
    {"newfstatat", If::kNever, 0, 1},
    {"statx", If::kNever, 0, 1},
    {"fstatfs", If::kNever, 0, kNone},
    {"statfs", If::kNever, kNone, 0},
    {"readlink", If::kNever, kNone, 0},
    {"readlinkat", If::kNever, 0, 1},
    {"getdents64", If::kNever, 0, kNone},
    {"access", If::kNever, kNone, 0},
    {"faccessat", If::kNever, 0, 1},
    {"faccessat2", If::kNever, 0, 1},
    {"epoll_ctl", If::kNever, 2, kNone},
    {"getxattr", If::kNever, kNone, 0},
    {"lgetxattr", If::kNever, kNone, 0},
    {"chdir", If::kNever, kNone, 0},
    {"fchdir", If::kNever, 0, kNone},
    {"getsockopt", If::kNever, 0, kNone},
    {"setsockopt", If::kNever, 0, kNone},
    {"timerfd_settime", If::kNever, 0, kNone},
    {"inotify_add_watch", If::kNever, kNone, 1},
};

const Known* Find(absl::string_view name) {
  const Known* known =
      std::find_if(std::begin(kKnown), std::end(kKnown),
                   [name](const Known& each) { return each.name == name; });
  return known == std::end(kKnown) ? nullptr : known;
}

// Calls that cannot fail, get memory, or are the C++ library's own affair.
const absl::flat_hash_set<absl::string_view>& NeverFailing() {
  static const auto& names =
      *new absl::flat_hash_set<absl::string_view>{"brk",
                                                  "mmap",
                                                  "munmap",
                                                  "mprotect",
                                                  "madvise",
                                                  "mremap",
                                                  "futex",
                                                  "restart_syscall",
                                                  "rt_sigreturn",
                                                  "rt_sigprocmask",
                                                  "rt_sigaction",
                                                  "sigaltstack",
                                                  "gettid",
                                                  "getpid",
                                                  "getppid",
                                                  "getuid",
                                                  "geteuid",
                                                  "getgid",
                                                  "getegid",
                                                  "getpgrp",
                                                  "sched_yield",
                                                  "exit",
                                                  "exit_group",
                                                  "clock_gettime",
                                                  "gettimeofday",
                                                  "time",
                                                  "set_robust_list",
                                                  "rseq",
                                                  "set_tid_address",
                                                  "arch_prctl",
                                                  "umask",
                                                  "getrandom",
                                                  "uname",
                                                  "membarrier",
                                                  "sched_getaffinity",
                                                  "getcpu",
                                                  "sysinfo"};
  return names;
}

bool Waits(absl::string_view name) {
  return name == "epoll_wait" || name == "epoll_pwait" ||
         name == "epoll_pwait2" || name == "poll" || name == "ppoll" ||
         name == "clock_nanosleep" || name == "nanosleep";
}

// Of the traced thread's memory.
bool ReadMemory(pid_t thread, uint64_t address, void* out, size_t size) {
  const iovec local = {out, size};
  const iovec remote = {
      reinterpret_cast<void*>(static_cast<uintptr_t>(address)), size};
  return process_vm_readv(thread, &local, 1, &remote, 1, 0) ==
         static_cast<ssize_t>(size);
}

// Byte by byte: what lies behind its end may not be mapped.
std::string ReadText(pid_t thread, uint64_t address) {
  constexpr size_t kMost = 300;
  std::string text;
  char next = 0;
  while (text.size() < kMost &&
         ReadMemory(thread, address + text.size(), &next, 1) && next != '\0') {
    text += next >= ' ' ? next : '?';
  }
  return text;
}

std::string Target(pid_t thread, uint64_t fd) {
  std::error_code error;
  return std::filesystem::read_symlink(
             absl::StrCat("/proc/", thread, "/fd/", static_cast<int>(fd)),
             error)
      .string();
}

bool LeadsOutside(pid_t thread, uint64_t fd) {
  return !absl::StartsWith(Target(thread, fd), "anon_inode:");
}

bool Creates(uint64_t flags) {
  return (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

}  // namespace

bool ChangesState(pid_t thread, absl::string_view name,
                  const trace::Call& call) {
  const Known* known = Find(name);
  if (known == nullptr) return false;
  switch (known->changes) {
    case If::kAlways:
      return true;
    case If::kCreates:
      return Creates(call.arguments[known->flags]);
    case If::kHow: {
      open_how how = {};
      return ReadMemory(thread, call.arguments[known->flags], &how,
                        sizeof(how)) &&
             Creates(how.flags);
    }
    case If::kOutside:
      return LeadsOutside(thread, call.arguments[known->fd]);
    case If::kNever:
      break;
  }
  return false;
}

bool CanFail(pid_t thread, absl::string_view name, const trace::Call& call,
             int error) {
  if (Waits(name)) return error == EINTR;
  if (NeverFailing().contains(name)) return false;
  const Known* known = Find(name);
  return known == nullptr || known->fd == kNone || known->path != kNone ||
         name == "epoll_ctl" || LeadsOutside(thread, call.arguments[known->fd]);
}

std::string Describe(pid_t thread, absl::string_view name,
                     const trace::Call& call) {
  std::string text(name);
  const Known* known = Find(name);
  if (known == nullptr) return text;
  const std::string path =
      known->path == kNone ? "" : ReadText(thread, call.arguments[known->path]);
  const bool is_relative = !absl::StartsWith(path, "/");
  if (known->fd != kNone && is_relative) {
    absl::StrAppend(&text, " ", Target(thread, call.arguments[known->fd]));
    if (!path.empty()) absl::StrAppend(&text, "/", path);
  } else if (!path.empty()) {
    absl::StrAppend(&text, " ", path);
  }
  return text;
}

}  // namespace gantry::sweep
