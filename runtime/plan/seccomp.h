// Seccomp profiles as data, and their compilation to a BPF program.
//
// A profile says the same as an OCI seccomp profile (runtime-spec
// config-linux.md, "Seccomp"), already reduced to this machine: conditions on
// capabilities and architectures have been decided by whoever builds it.
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_PLAN_SECCOMP_H_
#define GANTRY_RUNTIME_PLAN_SECCOMP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gantry::plan {

// SCMP_ACT_* (seccomp.h); SCMP_ACT_ERRNO with the errno in it.
using SeccompAction = uint32_t;

struct SeccompArg {
  enum class Compare { kNe, kLt, kLe, kEq, kGe, kGt, kMaskedEq };
  uint32_t index = 0;
  Compare compare = Compare::kEq;
  // kMaskedEq: the mask; then `expected` is what the masked value must be.
  uint64_t value = 0;
  uint64_t expected = 0;
};

struct SeccompRule {
  std::vector<std::string> names;
  SeccompAction action = 0;
  // All must hold. A rule per alternative.
  std::vector<SeccompArg> args;
};

struct SeccompProfile {
  SeccompAction default_action = 0;
  // SCMP_ARCH_*; the native one may be named or not, it is always in.
  std::vector<uint32_t> architectures;
  std::vector<SeccompRule> rules;
  // SECCOMP_FILTER_FLAG_* for whoever loads the program; it does not know them.
  uint32_t flags = 0;
};

// An array of struct sock_filter in host order, for SECCOMP_SET_MODE_FILTER.
// Syscalls that no one knew when the profile was written (newer than every
// number libseccomp and our own table of late syscalls know) get ENOSYS where
// the default action is an errno, so that programs fall back to older calls.
// Names that don't exist on any of the architectures are skipped, as OCI asks.
// INVALID_ARGUMENT for a profile that libseccomp refuses.
absl::StatusOr<std::string> CompileSeccomp(const SeccompProfile& profile);

// `program` (empty: one that allows all) and a refusal, EPERM, of the ioctls
// FS_IOC_FSSETXATTR and FS_IOC_SETFLAGS (and FS_IOC32_SETFLAGS) and of
// file_setattr(2): with them who owns a file moves it out of the project that
// its size is counted for, or has a directory no longer hand the project down.
// (In a user namespace the kernel refuses that.) For the native architecture
// and the 32-bit one it runs as well.
std::string ForbidProjectChanges(const std::string& program);

// What a container gets with RUNTIME_DEFAULT. `capabilities`: the container's
// bounding set; a syscall that serves only a capability is allowed with it.
SeccompProfile DefaultSeccompProfile(uint64_t capabilities);

// The bits of `capabilities` that make a difference to the default profile.
uint64_t SeccompRelevant(uint64_t capabilities);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_SECCOMP_H_
