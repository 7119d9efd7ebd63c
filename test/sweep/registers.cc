#include "test/sweep/registers.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "test/trace/tracer.h"

namespace gantry::sweep {
namespace {

// PTRACE_GETREGSET and PTRACE_SETREGSET of a set of registers.
template <typename Registers>
absl::Status Transfer(__ptrace_request request, pid_t thread, int set,
                      Registers* registers) {
  iovec all = {registers, sizeof(*registers)};
  if (trace::Ptrace(request, thread, static_cast<uintptr_t>(set),
                    reinterpret_cast<uintptr_t>(&all)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("registers of ", thread));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SkipCall(pid_t thread) {
#if defined(__aarch64__)
  constexpr int kSystemCallSet = 0x404;  // NT_ARM_SYSTEM_CALL
  int number = -1;
  return Transfer(PTRACE_SETREGSET, thread, kSystemCallSet, &number);
#else
  user_regs_struct registers = {};
  RETURN_IF_ERROR(Transfer(PTRACE_GETREGSET, thread, NT_PRSTATUS, &registers));
  registers.orig_rax = ~0ULL;
  return Transfer(PTRACE_SETREGSET, thread, NT_PRSTATUS, &registers);
#endif
}

absl::Status FailCall(pid_t thread, int error) {
  user_regs_struct registers = {};
  RETURN_IF_ERROR(Transfer(PTRACE_GETREGSET, thread, NT_PRSTATUS, &registers));
#if defined(__aarch64__)
  registers.regs[0] = static_cast<uint64_t>(-static_cast<int64_t>(error));
#else
  registers.rax = static_cast<uint64_t>(-static_cast<int64_t>(error));
#endif
  return Transfer(PTRACE_SETREGSET, thread, NT_PRSTATUS, &registers);
}

}  // namespace gantry::sweep
