// Compiled seccomp programs by what they were compiled from: compiling costs
// tens of milliseconds, starting a container shall cost three.
//
// Ownership: one per server. Thread safety: thread-safe; two threads that miss
// at once both compile, outside the lock.

#ifndef GANTRY_RUNTIME_PLAN_SECCOMP_CACHE_H_
#define GANTRY_RUNTIME_PLAN_SECCOMP_CACHE_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/plan/seccomp.h"

namespace gantry::plan {

class SeccompCache {
 public:
  // The default profile for these capabilities.
  absl::StatusOr<std::string> Default(uint64_t capabilities);

  // Any other profile, by its content.
  absl::StatusOr<std::string> Compile(const SeccompProfile& profile);

  // Programs kept.
  size_t size() const;

 private:
  absl::StatusOr<std::string> Lookup(const std::string& key,
                                     const SeccompProfile* profile,
                                     uint64_t capabilities);

  mutable std::mutex mutex_;
  std::map<std::string, std::string> programs_;
};

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_SECCOMP_CACHE_H_
