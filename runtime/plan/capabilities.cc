#include "runtime/plan/capabilities.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gantry::plan {
namespace {

// Index is the number (linux/capability.h).
constexpr const char* kNames[] = {"CHOWN",
                                  "DAC_OVERRIDE",
                                  "DAC_READ_SEARCH",
                                  "FOWNER",
                                  "FSETID",
                                  "KILL",
                                  "SETGID",
                                  "SETUID",
                                  "SETPCAP",
                                  "LINUX_IMMUTABLE",
                                  "NET_BIND_SERVICE",
                                  "NET_BROADCAST",
                                  "NET_ADMIN",
                                  "NET_RAW",
                                  "IPC_LOCK",
                                  "IPC_OWNER",
                                  "SYS_MODULE",
                                  "SYS_RAWIO",
                                  "SYS_CHROOT",
                                  "SYS_PTRACE",
                                  "SYS_PACCT",
                                  "SYS_ADMIN",
                                  "SYS_BOOT",
                                  "SYS_NICE",
                                  "SYS_RESOURCE",
                                  "SYS_TIME",
                                  "SYS_TTY_CONFIG",
                                  "MKNOD",
                                  "LEASE",
                                  "AUDIT_WRITE",
                                  "AUDIT_CONTROL",
                                  "SETFCAP",
                                  "MAC_OVERRIDE",
                                  "MAC_ADMIN",
                                  "SYSLOG",
                                  "WAKE_ALARM",
                                  "BLOCK_SUSPEND",
                                  "AUDIT_READ",
                                  "PERFMON",
                                  "BPF",
                                  "CHECKPOINT_RESTORE"};
constexpr int kCount = sizeof(kNames) / sizeof(kNames[0]);

constexpr uint64_t Bit(int number) { return uint64_t{1} << number; }

// The bits of `names`, without those the host lacks.
absl::StatusOr<uint64_t> Bits(
    const google::protobuf::RepeatedPtrField<std::string>& names,
    absl::string_view field, const HostFacts& facts, uint64_t& missing) {
  uint64_t bits = 0;
  for (const std::string& name : names) {
    std::optional<int> number = CapabilityNumber(name);
    if (!number.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ": unknown capability \"", name, "\""));
    }
    if (*number <= facts.last_capability &&
        (facts.capabilities & Bit(*number)) != 0) {
      bits |= Bit(*number);
    } else {
      missing |= Bit(*number);
    }
  }
  return bits;
}

}  // namespace

std::vector<std::string> DefaultCapabilities() {
  return {"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",
          "CAP_FOWNER",  "CAP_MKNOD",        "CAP_NET_RAW",
          "CAP_SETGID",  "CAP_SETUID",       "CAP_SETFCAP",
          "CAP_SETPCAP", "CAP_SYS_CHROOT",   "CAP_NET_BIND_SERVICE",
          "CAP_KILL",    "CAP_AUDIT_WRITE"};
}

std::vector<std::string> AllCapabilities() {
  std::vector<std::string> names;
  names.reserve(kCount);
  for (const char* name : kNames) names.push_back(absl::StrCat("CAP_", name));
  return names;
}

std::optional<int> CapabilityNumber(absl::string_view name) {
  if (absl::StartsWith(name, "CAP_")) name.remove_prefix(4);
  for (int i = 0; i < kCount; ++i) {
    if (name == kNames[i]) return i;
  }
  return std::nullopt;
}

std::string CapabilityName(int number) {
  if (number < 0 || number >= kCount) return absl::StrCat("CAP_", number);
  return absl::StrCat("CAP_", kNames[number]);
}

absl::Status PlanCapabilities(const spec::Security& security,
                              const HostFacts& facts, Identity& identity,
                              std::vector<std::string>& degraded) {
  uint64_t missing = 0;
  uint64_t bits = 0;
  if (security.privileged()) {
    bits = facts.capabilities;
    for (int n = 0; n <= facts.last_capability && n < 64; ++n) {
      if ((bits & Bit(n)) == 0) missing |= Bit(n);
    }
  } else {
    absl::StatusOr<uint64_t> named =
        Bits(security.capabilities(), "capabilities", facts, missing);
    if (!named.ok()) return named.status();
    bits = *named;
  }
  absl::StatusOr<uint64_t> ambient = Bits(
      security.ambient_capabilities(), "ambient_capabilities", facts, missing);
  if (!ambient.ok()) return ambient.status();
  // An ambient capability is also a permitted one.
  bits |= *ambient;
  identity.set_cap_bounding(bits);
  identity.set_cap_effective(bits);
  identity.set_cap_permitted(bits);
  identity.set_cap_ambient(*ambient);
  identity.set_cap_inheritable(*ambient);
  for (int n = 0; n < 64; ++n) {
    if ((missing & Bit(n)) == 0) continue;
    degraded.push_back(
        absl::StrCat("capability ", CapabilityName(n), ": not available"));
  }
  return absl::OkStatus();
}

}  // namespace gantry::plan
