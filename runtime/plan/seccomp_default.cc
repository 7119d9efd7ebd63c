// The default profile: what the Docker and containerd family allows, as of
// 2025, as a table of names. Left out on purpose: io_uring_* and userfaultfd
// (attack surface), and sockets of AF_VSOCK (reach the hypervisor past the
// network namespace) and AF_ALG (kernel crypto parsers).

#include <errno.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <initializer_list>
#include <iterator>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "runtime/plan/capabilities.h"
#include "runtime/plan/seccomp.h"

namespace gantry::plan {
namespace {

// For every container. Separated by white space.
constexpr absl::string_view kAlways =
    "accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget "
    "capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 "
    "clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
    "clock_nanosleep clock_nanosleep_time64 close close_range connect "
    "copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl "
    "epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd "
    "eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 "
    "fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 "
    "fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
    "flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs "
    "fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 "
    "futex_wait futex_waitv futex_wake futimesat get_robust_list "
    "get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 "
    "geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer "
    "getpeername getpgid getpgrp getpid getppid getpriority getrandom "
    "getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid "
    "getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr "
    "getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
    "io_setup io_submit ioctl ioprio_get ioprio_set ipc kill "
    "landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown "
    "lchown32 lgetxattr link linkat listen listxattr listxattrat llistxattr "
    "_llseek lremovexattr lseek lsetxattr lstat lstat64 madvise "
    "map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir "
    "mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt "
    "mprotect "
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 "
    "mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget "
    "msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep "
    "newfstatat _newselect open openat openat2 pause pidfd_open "
    "pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll "
    "ppoll "
    "ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease "
    "process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace "
    "pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv "
    "recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr "
    "removexattrat rename renameat renameat2 restart_syscall rmdir rseq "
    "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
    "sched_get_priority_max sched_get_priority_min sched_getaffinity "
    "sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
    "sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
    "sched_setparam sched_setscheduler sched_yield seccomp select semctl "
    "semget semop semtimedop semtimedop_time64 send sendfile sendfile64 "
    "sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address "
    "setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups "
    "setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid "
    "setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid "
    "setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget "
    "shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketpair "
    "splice stat stat64 statfs statfs64 statx symlink symlinkat sync "
    "sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete "
    "timer_getoverrun timer_gettime timer_gettime64 timer_settime "
    "timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
    "timerfd_settime timerfd_settime64 times tkill truncate truncate64 "
    "ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat "
    "utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev "
#if defined(__aarch64__)
    "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint "
    "cacheflush set_tls "
#endif
    ;

// With one of the capabilities (linux/capability.h names).
struct Conditional {
  const char* capability;
  absl::string_view names;
};
constexpr Conditional kConditional[] = {
    {"CAP_BPF", "bpf"},
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_PERFMON", "perf_event_open"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick "
     "listmount listns lookup_dcookie lsm_get_self_attr lsm_list_modules "
     "lsm_set_self_attr mount mount_setattr move_mount open_tree "
     "open_tree_attr "
     "perf_event_open pivot_root quotactl quotactl_fd setdomainname "
     "sethostname setns statmount syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module finit_module init_module"},
    {"CAP_SYS_NICE",
     "get_mempolicy mbind migrate_pages move_pages process_madvise "
     "set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYSLOG", "syslog"},
};

// Every CLONE_NEW* flag but CLONE_NEWTIME, which clone(2) cannot carry.
constexpr uint64_t kNewNamespaces = 0x7e020000;

uint64_t BitOf(absl::string_view capability) {
  return uint64_t{1} << *CapabilityNumber(capability);
}

SeccompRule Allow(absl::string_view names) {
  SeccompRule rule;
  rule.action = SCMP_ACT_ALLOW;
  for (absl::string_view name : absl::StrSplit(names, ' ', absl::SkipEmpty())) {
    rule.names.emplace_back(name);
  }
  return rule;
}

SeccompRule AllowIf(absl::string_view names, SeccompArg arg) {
  SeccompRule rule = Allow(names);
  rule.args.push_back(arg);
  return rule;
}

void AddSockets(std::vector<SeccompRule>& rules) {
  using Compare = SeccompArg::Compare;
  static_assert(AF_ALG == 38 && AF_VSOCK == 40);
  rules.push_back(AllowIf("socket", {0, Compare::kLt, AF_ALG}));
  rules.push_back(AllowIf("socket", {0, Compare::kEq, AF_ALG + 1}));
  rules.push_back(AllowIf("socket", {0, Compare::kGt, AF_VSOCK}));
}

void AddPersonalities(std::vector<SeccompRule>& rules) {
  // PER_LINUX, PER_LINUX32, both with UNAME26, and the query.
  constexpr uint64_t kValues[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
  for (uint64_t value : kValues) {
    rules.push_back(
        AllowIf("personality", {0, SeccompArg::Compare::kEq, value}));
  }
}

}  // namespace

uint64_t SeccompRelevant(uint64_t capabilities) {
  uint64_t mask = 0;
  for (const Conditional& c : kConditional) mask |= BitOf(c.capability);
  return capabilities & mask;
}

SeccompProfile DefaultSeccompProfile(uint64_t capabilities) {
  SeccompProfile profile;
  profile.default_action = SCMP_ACT_ERRNO(EPERM);
#if defined(__x86_64__)
  profile.architectures = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32};
#elif defined(__aarch64__)
  profile.architectures = {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};
#endif
  profile.rules.push_back(Allow(kAlways));
  AddSockets(profile.rules);
  AddPersonalities(profile.rules);
  for (const Conditional& c : kConditional) {
    if ((capabilities & BitOf(c.capability)) != 0) {
      profile.rules.push_back(Allow(c.names));
    }
  }
  if ((capabilities & BitOf("CAP_SYS_ADMIN")) == 0) {
    profile.rules.push_back(AllowIf(
        "clone", {0, SeccompArg::Compare::kMaskedEq, kNewNamespaces, 0}));
    // Its flags lie in memory where a filter cannot look; ENOSYS makes the C
    // library fall back to clone.
    SeccompRule clone3 = Allow("clone3");
    clone3.action = SCMP_ACT_ERRNO(ENOSYS);
    profile.rules.push_back(std::move(clone3));
  }
  return profile;
}

}  // namespace gantry::plan
