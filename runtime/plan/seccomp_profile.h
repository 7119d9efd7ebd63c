// Seccomp profiles of the host: JSON as the OCI runtime-spec defines it
// (config-linux.md, "Seccomp"), with what Docker's own form adds ("archMap",
// "name", and "includes" and "excludes" by capability, architecture and
// kernel).
//
// What is not understood is refused by its place in the file, never skipped: a
// filter that is weaker than its author meant is worse than none. Only names of
// system calls may be unknown, as the runtime-spec asks. Seccomp agents
// (SCMP_ACT_NOTIFY, listenerPath) are refused.
// Thread safety: pure but for the reading, which blocks for one small file.

#ifndef GANTRY_RUNTIME_PLAN_SECCOMP_PROFILE_H_
#define GANTRY_RUNTIME_PLAN_SECCOMP_PROFILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/plan/host_facts.h"
#include "runtime/plan/seccomp.h"

namespace gantry::plan {

inline constexpr size_t kMaxSeccompFile = size_t{1} << 20;

// What "includes" and "excludes" ask about.
struct SeccompConditions {
  // The container's bounding set.
  uint64_t capabilities = 0;
  KernelVersion kernel;
};

// `what` names the document in errors.
absl::StatusOr<SeccompProfile> ParseSeccompProfile(
    absl::string_view text, absl::string_view what,
    const SeccompConditions& conditions);

// Reads the regular file at the absolute `path`; links of the host are
// followed, a FIFO or device is not waited for. FAILED_PRECONDITION if there
// is no such file, RESOURCE_EXHAUSTED if it is larger than kMaxSeccompFile.
absl::StatusOr<SeccompProfile> ReadSeccompProfile(
    const std::string& path, const SeccompConditions& conditions);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_SECCOMP_PROFILE_H_
