#include "runtime/plan/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"

namespace gantry::plan {
namespace {

// Syscalls younger than Debian 12's libseccomp (2.5.4, Linux 5.17). From 424
// on all architectures share one numbering (arch/*/syscalls/syscall.tbl).
struct LateSyscall {
  absl::string_view name;
  uint32_t number;
};
constexpr uint32_t kFirstLate = 451;
constexpr LateSyscall kLate[] = {
    {"cachestat", 451},         {"fchmodat2", 452},
    {"map_shadow_stack", 453},  {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460},
    {"lsm_list_modules", 461},  {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},
    {"listxattrat", 465},       {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},
    {"file_setattr", 469},      {"listns", 470},
};
// From here on: private calls of ARM, x32, and a tracer's -1.
constexpr uint32_t kPrivate = 0x000f0000;

using Context =
    std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, void (*)(void*)>;

const LateSyscall* FindLate(absl::string_view name) {
  for (const LateSyscall& late : kLate) {
    if (late.name == name) return &late;
  }
  return nullptr;
}

scmp_compare ToCompare(SeccompArg::Compare compare) {
  switch (compare) {
    case SeccompArg::Compare::kNe:
      return SCMP_CMP_NE;
    case SeccompArg::Compare::kLt:
      return SCMP_CMP_LT;
    case SeccompArg::Compare::kLe:
      return SCMP_CMP_LE;
    case SeccompArg::Compare::kEq:
      return SCMP_CMP_EQ;
    case SeccompArg::Compare::kGe:
      return SCMP_CMP_GE;
    case SeccompArg::Compare::kGt:
      return SCMP_CMP_GT;
    case SeccompArg::Compare::kMaskedEq:
      return SCMP_CMP_MASKED_EQ;
  }
  return SCMP_CMP_EQ;
}

absl::Status SeccompError(int result, absl::string_view what) {
  return ErrnoStatus(absl::StatusCode::kInvalidArgument, -result,
                     absl::StrCat("seccomp: ", what));
}

absl::Status AddRule(const SeccompProfile& profile, const SeccompRule& rule,
                     scmp_filter_ctx context) {
  std::vector<scmp_arg_cmp> args;
  for (const SeccompArg& arg : rule.args) {
    args.push_back(
        {arg.index, ToCompare(arg.compare), arg.value, arg.expected});
  }
  // libseccomp refuses a rule that says what holds anyway.
  if (rule.action == profile.default_action) return absl::OkStatus();
  for (const std::string& name : rule.names) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;
    int result = seccomp_rule_add_array(context, rule.action, number,
                                        args.size(), args.data());
    if (result < 0) return SeccompError(result, absl::StrCat("rule ", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Export(scmp_filter_ctx context) {
  UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return ErrnoStatus(errno, "seccomp: memfd_create");
  int result = seccomp_export_bpf(context, file.get());
  if (result < 0) return SeccompError(result, "export");
  off_t size = lseek(file.get(), 0, SEEK_END);
  std::string program(size, '\0');
  if (pread(file.get(), program.data(), program.size(), 0) != size) {
    return ErrnoStatus(errno, "seccomp: read the exported program");
  }
  return program;
}

// Collects BPF instructions (linux/filter.h).
class Bpf {
 public:
  void Load(uint32_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
  }
  // Goes on behind the next `skip` instructions unless A >= value.
  void SkipUnlessGe(uint32_t value, uint8_t skip) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, 0, skip));
  }
  void SkipIfGe(uint32_t value, uint8_t skip) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, skip, 0));
  }
  // Returns `action` if A == value.
  void ReturnIfEq(uint32_t value, uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    Return(action);
  }
  // Goes on behind the next `skip` instructions unless A == value.
  void SkipUnlessEq(uint32_t value, uint8_t skip) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip));
  }
  void Return(uint32_t action) {
    code_.push_back(BPF_STMT(BPF_RET | BPF_K, action));
  }
  void Append(const Bpf& other) {
    code_.insert(code_.end(), other.code_.begin(), other.code_.end());
  }
  size_t size() const { return code_.size(); }
  std::string Bytes() const {
    return std::string(reinterpret_cast<const char*>(code_.data()),
                       code_.size() * sizeof(sock_filter));
  }

 private:
  std::vector<sock_filter> code_;
};

// Decides numbers from kFirstLate on, before libseccomp's program, which would
// answer them all with the default action.
std::string LatePrologue(const SeccompProfile& profile) {
  std::vector<std::pair<uint32_t, uint32_t>> verdicts;
  for (const SeccompRule& rule : profile.rules) {
    if (!rule.args.empty()) continue;
    for (const std::string& name : rule.names) {
      const LateSyscall* late = FindLate(name);
      if (late != nullptr) verdicts.emplace_back(late->number, rule.action);
    }
  }
  const bool errno_default =
      (profile.default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
  // Known by name and left out of the profile: the default action. Not known:
  // ENOSYS, as if the kernel were as old as the profile.
  for (const LateSyscall& late : kLate) {
    verdicts.emplace_back(late.number, profile.default_action);
  }
  const uint32_t unknown =
      errno_default ? SCMP_ACT_ERRNO(ENOSYS) : profile.default_action;
  Bpf late;
  std::set<uint32_t> seen;
  for (const auto& [number, action] : verdicts) {
    if (!seen.insert(number).second) continue;
    late.ReturnIfEq(number, action);
  }
  late.Return(unknown);
  Bpf prologue;
  prologue.Load(offsetof(seccomp_data, nr));
  // Those are the business of libseccomp's program.
  prologue.SkipIfGe(kPrivate, late.size() + 1);
  prologue.SkipUnlessGe(kFirstLate, late.size());
  return prologue.Bytes() + late.Bytes();
}

}  // namespace

std::string ForbidProjectChanges(const std::string& program) {
  struct Call {
    uint32_t arch;
    uint32_t number;
  };
  // ioctl(2) of each (arch/*/syscalls).
#if defined(__x86_64__)
  constexpr uint32_t kX32 = 0x40000000;
  constexpr Call kIoctls[] = {{AUDIT_ARCH_X86_64, 16},
                              {AUDIT_ARCH_X86_64, kX32 | 16},
                              {AUDIT_ARCH_X86_64, kX32 | 514},
                              {AUDIT_ARCH_I386, 54}};
#else
  constexpr uint32_t kX32 = 0;
  constexpr Call kIoctls[] = {{AUDIT_ARCH_AARCH64, 29}, {AUDIT_ARCH_ARM, 54}};
#endif
  constexpr uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;
  const uint32_t file_setattr = FindLate("file_setattr")->number;
  Bpf guard;
  guard.Load(offsetof(seccomp_data, nr));
  guard.ReturnIfEq(file_setattr, kRefused);
  guard.ReturnIfEq(kX32 | file_setattr, kRefused);
  Bpf commands;
  // The kernel looks at the lower half alone, which comes first on both.
  commands.Load(offsetof(seccomp_data, args[1]));
  for (uint32_t command :
       {FS_IOC_FSSETXATTR, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS}) {
    commands.ReturnIfEq(command, kRefused);
  }
  for (const Call& ioctl : kIoctls) {
    guard.Load(offsetof(seccomp_data, arch));
    guard.SkipUnlessEq(ioctl.arch, commands.size() + 2);
    guard.Load(offsetof(seccomp_data, nr));
    guard.SkipUnlessEq(ioctl.number, commands.size());
    guard.Append(commands);
  }
  if (program.empty()) guard.Return(SECCOMP_RET_ALLOW);
  return guard.Bytes() + program;
}

absl::StatusOr<std::string> CompileSeccomp(const SeccompProfile& profile) {
  Context context(seccomp_init(profile.default_action), seccomp_release);
  if (context == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "seccomp: default action ", profile.default_action, " is unknown"));
  }
  for (uint32_t arch : profile.architectures) {
    int result = seccomp_arch_add(context.get(), arch);
    if (result < 0 && result != -EEXIST) {
      return SeccompError(result, absl::StrCat("architecture ", arch));
    }
  }
  // The program is loaded by init, which sets no_new_privs as the plan says.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_NNP, 0);
  // A binary tree instead of a list of all syscalls.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const SeccompRule& rule : profile.rules) {
    RETURN_IF_ERROR(AddRule(profile, rule, context.get()));
  }
  ASSIGN_OR_RETURN(std::string program, Export(context.get()));
  program = LatePrologue(profile) + program;
  if (program.size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(absl::StrCat(
        "seccomp: program of ", program.size() / sizeof(sock_filter),
        " instructions, the kernel takes ", BPF_MAXINSNS));
  }
  return program;
}

}  // namespace gantry::plan
