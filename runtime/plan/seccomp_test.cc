#include "runtime/plan/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/capabilities.h"
#include "runtime/plan/seccomp_cache.h"
#include "runtime/sys/clone.h"

namespace gantry::plan {
namespace {

constexpr uint64_t kDefaultCaps = 0xa80425fb;
constexpr uint64_t kSysAdmin = uint64_t{1} << 21;
constexpr uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

// Runs a seccomp program on `data` as the kernel would (the subset of classic
// BPF that seccomp allows, Documentation/networking/filter.rst).
uint32_t Run(const std::string& program, const seccomp_data& data) {
  std::vector<sock_filter> code(program.size() / sizeof(sock_filter));
  memcpy(code.data(), program.data(), program.size());
  uint32_t a = 0;
  for (size_t pc = 0; pc < code.size(); ++pc) {
    const sock_filter& i = code[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        ADD_FAILURE() << "unexpected instruction " << i.code;
        return 0;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}

uint32_t Verdict(const std::string& program, int number, uint64_t arg0 = 0,
                 uint32_t arch = SCMP_ARCH_X86_64) {
  seccomp_data data = {};
  data.nr = number;
  data.arch = arch;
  data.args[0] = arg0;
  return Run(program, data);
}

#if defined(__x86_64__)
class DefaultProfile : public ::testing::Test {
 protected:
  static const std::string& Plain() {
    static const std::string* program =
        new std::string(*CompileSeccomp(DefaultSeccompProfile(kDefaultCaps)));
    return *program;
  }
  static const std::string& Admin() {
    static const std::string* program = new std::string(
        *CompileSeccomp(DefaultSeccompProfile(kDefaultCaps | kSysAdmin)));
    return *program;
  }
};

// Seen to fail without each of the four rows of ioctl(2), each of the three
// commands, and the two returns for file_setattr(2).
TEST_F(DefaultProfile, ProjectsOfFilesCanBeKeptFromChanging) {
  // FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS.
  constexpr uint32_t kCommands[] = {0x401c5820, 0x40086602, 0x40046602};
  for (const std::string& before : {std::string(), Plain()}) {
    const std::string program = ForbidProjectChanges(before);
    const auto ioctl = [&program](int number, uint32_t arch, uint64_t command) {
      seccomp_data data = {};
      data.nr = number;
      data.arch = arch;
      data.args[1] = command;
      return plan::Run(program, data);
    };
    for (const uint64_t command : kCommands) {
      EXPECT_EQ(ioctl(16, SCMP_ARCH_X86_64, command), kEperm);
      // Bits that the kernel does not look at.
      EXPECT_EQ(ioctl(16, SCMP_ARCH_X86_64, uint64_t{7} << 32 | command),
                kEperm);
      EXPECT_EQ(ioctl(0x40000000 | 514, SCMP_ARCH_X86_64, command), kEperm);
      EXPECT_EQ(ioctl(0x40000000 | 16, SCMP_ARCH_X86_64, command), kEperm);
      EXPECT_EQ(ioctl(54, SCMP_ARCH_X86, command), kEperm);
      // What has the number elsewhere.
      EXPECT_EQ(ioctl(54, SCMP_ARCH_X86_64, command), SECCOMP_RET_ALLOW);
      EXPECT_EQ(ioctl(16, SCMP_ARCH_X86, command), SECCOMP_RET_ALLOW);
    }
    EXPECT_EQ(Verdict(program, 469), kEperm);
    EXPECT_EQ(Verdict(program, 0x40000000 | 469), kEperm);
    EXPECT_EQ(Verdict(program, 469, 0, SCMP_ARCH_X86), kEperm);
    // FS_IOC_FSGETXATTR and FS_IOC_GETFLAGS.
    EXPECT_EQ(ioctl(16, SCMP_ARCH_X86_64, 0x801c581f), SECCOMP_RET_ALLOW);
    EXPECT_EQ(ioctl(16, SCMP_ARCH_X86_64, 0x80086601), SECCOMP_RET_ALLOW);
    EXPECT_EQ(Verdict(program, __NR_read), SECCOMP_RET_ALLOW);
    EXPECT_EQ(Verdict(program, __NR_mount),
              before.empty() ? SECCOMP_RET_ALLOW : kEperm);
  }
}

TEST_F(DefaultProfile, AllowsOrdinaryCallsOnAllThreeArchitectures) {
  EXPECT_EQ(Verdict(Plain(), __NR_read), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_execve), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), 3, 0, SCMP_ARCH_X86), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), 0x40000000 | __NR_read), SECCOMP_RET_ALLOW);
}

TEST_F(DefaultProfile, RefusesWhatReachesTheKernelsInsides) {
  for (int number :
       {__NR_mount, __NR_umount2, __NR_unshare, __NR_setns, __NR_bpf,
        __NR_init_module, __NR_kexec_load, __NR_keyctl, __NR_add_key,
        __NR_io_uring_setup, __NR_userfaultfd, __NR_open_by_handle_at,
        __NR_perf_event_open, __NR_pivot_root, __NR_reboot, __NR_swapon}) {
    EXPECT_EQ(Verdict(Plain(), number), kEperm) << number;
  }
}

TEST_F(DefaultProfile, CloneMakesNoNamespaces) {
  EXPECT_EQ(Verdict(Plain(), __NR_clone, 0x11), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_clone, 0x10000000), kEperm);
  EXPECT_EQ(Verdict(Plain(), __NR_clone, 0x00020000), kEperm);
  EXPECT_EQ(Verdict(Admin(), __NR_clone, 0x10000000), SECCOMP_RET_ALLOW);
}

TEST_F(DefaultProfile, Clone3LooksAbsentWithoutSysAdmin) {
  EXPECT_EQ(Verdict(Plain(), __NR_clone3), kEnosys);
  EXPECT_EQ(Verdict(Admin(), __NR_clone3), SECCOMP_RET_ALLOW);
}

TEST_F(DefaultProfile, CapabilitiesOpenTheirCalls) {
  EXPECT_EQ(Verdict(Admin(), __NR_mount), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Admin(), __NR_reboot), kEperm);
  EXPECT_EQ(Verdict(Plain(), __NR_chroot), SECCOMP_RET_ALLOW);
}

TEST_F(DefaultProfile, SocketsOfVsockAndAlgAreRefused) {
  EXPECT_EQ(Verdict(Plain(), __NR_socket, AF_INET6), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_socket, 39), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_socket, AF_XDP), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_socket, AF_VSOCK), kEperm);
  EXPECT_EQ(Verdict(Plain(), __NR_socket, AF_ALG), kEperm);
}

TEST_F(DefaultProfile, OnlyHarmlessPersonalities) {
  EXPECT_EQ(Verdict(Plain(), __NR_personality, 0), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_personality, 8), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), __NR_personality, 0xffffffff), SECCOMP_RET_ALLOW);
  // ADDR_NO_RANDOMIZE
  EXPECT_EQ(Verdict(Plain(), __NR_personality, 0x0040000), kEperm);
}

TEST_F(DefaultProfile, LateCallsAreDecidedAndUnknownOnesLookAbsent) {
  EXPECT_EQ(Verdict(Plain(), 451), SECCOMP_RET_ALLOW);  // cachestat
  EXPECT_EQ(Verdict(Plain(), 452), SECCOMP_RET_ALLOW);  // fchmodat2
  EXPECT_EQ(Verdict(Plain(), 462, 0, SCMP_ARCH_X86),
            SECCOMP_RET_ALLOW);              // mseal
  EXPECT_EQ(Verdict(Plain(), 457), kEperm);  // statmount
  EXPECT_EQ(Verdict(Admin(), 457), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(Plain(), 999), kEnosys);
}

TEST_F(DefaultProfile, AnotherArchitectureIsKilled) {
  EXPECT_EQ(Verdict(Plain(), 0, 0, AUDIT_ARCH_S390X) & SECCOMP_RET_ACTION_FULL,
            SECCOMP_RET_KILL_THREAD);
}

TEST_F(DefaultProfile, TheKernelTakesItAndItBites) {
  const std::string& program = Plain();
  absl::StatusOr<pid_t> child = sys::Clone3({});
  ASSERT_TRUE(child.ok()) << child.status();
  if (*child == 0) {
    sock_fprog prog = {
        static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
        reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(10);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0) _exit(11);
    if (syscall(SYS_unshare, 0) != -1 || errno != EPERM) _exit(12);
    if (syscall(SYS_clone3, nullptr, 0) != -1 || errno != ENOSYS) _exit(13);
    if (syscall(SYS_getpid) <= 0) _exit(14);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(*child, &status, 0), *child);
  EXPECT_EQ(status, 0) << WEXITSTATUS(status);
}
#endif  // __x86_64__

TEST(CompileSeccomp, NamesThatDontExistAreSkipped) {
  SeccompProfile profile;
  profile.default_action = SCMP_ACT_ALLOW;
  profile.rules.push_back({{"no_such_call", "mkdir"}, SCMP_ACT_ERRNO(EPERM)});
  EXPECT_TRUE(CompileSeccomp(profile).ok());
}

TEST(CompileSeccomp, ADefaultThatAllowsAllowsUnknownCallsToo) {
  SeccompProfile profile;
  profile.default_action = SCMP_ACT_ALLOW;
  profile.rules.push_back({{"mseal"}, SCMP_ACT_ERRNO(EPERM)});
  std::string program = *CompileSeccomp(profile);
  EXPECT_EQ(Verdict(program, 999), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(program, 462), kEperm);
}

TEST(CompileSeccomp, ABadActionOrArchitectureIsAnError) {
  SeccompProfile profile;
  profile.default_action = 12345;
  EXPECT_EQ(CompileSeccomp(profile).status().code(),
            absl::StatusCode::kInvalidArgument);
  profile.default_action = SCMP_ACT_ALLOW;
  profile.architectures = {1};
  EXPECT_EQ(CompileSeccomp(profile).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SeccompCache, CompilesOncePerContent) {
  SeccompCache cache;
  std::string first = *cache.Default(kDefaultCaps);
  EXPECT_EQ(cache.size(), 1u);
  // CAP_CHOWN makes no difference to the filter.
  EXPECT_EQ(*cache.Default(kDefaultCaps & ~uint64_t{1}), first);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(*cache.Default(kDefaultCaps | kSysAdmin), first);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(*cache.Compile(DefaultSeccompProfile(kDefaultCaps)), first);
  EXPECT_EQ(cache.size(), 3u);
}

}  // namespace
}  // namespace gantry::plan
