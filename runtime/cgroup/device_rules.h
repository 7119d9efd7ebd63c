// Device rules: the caller's list and the set of exceptions it comes to.
//
// Rules are read in order and start from "nothing is allowed" (OCI runtime-spec
// config-linux.md, "allowed device list"). Pure; thread safety: plain values.

#ifndef GANTRY_RUNTIME_CGROUP_DEVICE_RULES_H_
#define GANTRY_RUNTIME_CGROUP_DEVICE_RULES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gantry::cgroup {

struct DeviceRule {
  bool allow = false;
  char type = 'a';               // 'c', 'b' or 'a' (both)
  std::optional<int64_t> major;  // unset or -1: all
  std::optional<int64_t> minor;  // unset or -1: all
  std::string access = "rwm";    // some of r(ead), w(rite), m(knod)
};

// Access bits with the kernel's BPF values (linux/bpf.h BPF_DEVCG_ACC_*).
inline constexpr uint32_t kAccessMknod = 1;
inline constexpr uint32_t kAccessRead = 2;
inline constexpr uint32_t kAccessWrite = 4;
inline constexpr uint32_t kAccessAll = 7;

struct DeviceException {
  char type = 'c';  // 'c' or 'b'
  std::optional<uint32_t> major;
  std::optional<uint32_t> minor;
  uint32_t access = kAccessAll;

  bool operator==(const DeviceException&) const = default;
};

// All devices are allowed (or denied) but for the exceptions. As in v1's
// devices controller an access is excepted from a denial if ONE exception has
// all of its bits, and from an allowance if any exception has any of them.
struct DevicePolicy {
  bool allow_by_default = false;
  std::vector<DeviceException> exceptions;

  bool operator==(const DevicePolicy&) const = default;
};

// INVALID_ARGUMENT, naming the rule by its index, for a malformed rule and for
// one that would cut a piece out of a wider rule (v1 can't express that, so no
// version does).
absl::StatusOr<DevicePolicy> MakeDevicePolicy(
    std::span<const DeviceRule> rules);

// "rwm" for kAccessAll, in the order r, w, m.
std::string AccessText(uint32_t access);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_DEVICE_RULES_H_
