#include "runtime/plan/seccomp_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::plan {
namespace {

// More than any mix of capability sets on a node; beyond it (a client that
// sends ever new profiles) the cache starts anew.
constexpr size_t kMaxPrograms = 64;

// Length-prefixed, so that different profiles never read the same.
std::string KeyOf(const SeccompProfile& profile) {
  std::string key = absl::StrCat("profile ", profile.default_action, ";");
  for (uint32_t arch : profile.architectures) absl::StrAppend(&key, arch, ",");
  for (const SeccompRule& rule : profile.rules) {
    absl::StrAppend(&key, ";", rule.action, ":");
    for (const std::string& name : rule.names) {
      absl::StrAppend(&key, name.size(), " ", name);
    }
    for (const SeccompArg& arg : rule.args) {
      absl::StrAppend(&key, "(", arg.index, " ", static_cast<int>(arg.compare),
                      " ", arg.value, " ", arg.expected, ")");
    }
  }
  return key;
}

}  // namespace

absl::StatusOr<std::string> SeccompCache::Default(uint64_t capabilities) {
  capabilities = SeccompRelevant(capabilities);
  return Lookup(absl::StrCat("default ", capabilities), nullptr, capabilities);
}

absl::StatusOr<std::string> SeccompCache::Compile(
    const SeccompProfile& profile) {
  return Lookup(KeyOf(profile), &profile, 0);
}

size_t SeccompCache::size() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return programs_.size();
}

absl::StatusOr<std::string> SeccompCache::Lookup(const std::string& key,
                                                 const SeccompProfile* profile,
                                                 uint64_t capabilities) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = programs_.find(key);
    if (found != programs_.end()) return found->second;
  }
  ASSIGN_OR_RETURN(
      std::string program,
      CompileSeccomp(profile ? *profile : DefaultSeccompProfile(capabilities)));
  std::lock_guard<std::mutex> lock(mutex_);
  if (programs_.size() >= kMaxPrograms) programs_.clear();
  programs_.emplace(key, program);
  return program;
}

}  // namespace gantry::plan
