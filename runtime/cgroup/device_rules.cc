#include "runtime/cgroup/device_rules.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::cgroup {

namespace {

constexpr int64_t kAll = -1;
// A device number has 12 bits of major and 20 of minor (linux/kdev_t.h).
constexpr int64_t kMaxMajor = (1 << 12) - 1;
constexpr int64_t kMaxMinor = (1 << 20) - 1;

absl::StatusOr<std::optional<uint32_t>> Number(absl::string_view what,
                                               std::optional<int64_t> number,
                                               int64_t largest) {
  if (number.value_or(kAll) == kAll) return std::optional<uint32_t>();
  if (*number < 0 || *number > largest) {
    return absl::InvalidArgumentError(absl::StrCat(
        what, " ", *number, ": want 0 to ", largest, ", or -1 for all"));
  }
  return std::optional<uint32_t>(*number);
}

absl::StatusOr<uint32_t> AccessBits(absl::string_view text) {
  uint32_t bits = 0;
  for (char c : text) {
    if (c == 'r') {
      bits |= kAccessRead;
    } else if (c == 'w') {
      bits |= kAccessWrite;
    } else if (c == 'm') {
      bits |= kAccessMknod;
    } else {
      bits = 0;
      break;
    }
  }
  if (bits != 0) return bits;
  return absl::InvalidArgumentError(
      absl::StrCat("access \"", text, "\": want some of r, w and m"));
}

// Whether all devices of `part` are devices of `whole`.
bool Covers(const DeviceException& whole, const DeviceException& part) {
  return whole.type == part.type &&
         (!whole.major.has_value() || whole.major == part.major) &&
         (!whole.minor.has_value() || whole.minor == part.minor);
}

bool Overlap(const DeviceException& a, const DeviceException& b) {
  return a.type == b.type && (a.access & b.access) != 0 &&
         (!a.major.has_value() || !b.major.has_value() || a.major == b.major) &&
         (!a.minor.has_value() || !b.minor.has_value() || a.minor == b.minor);
}

void Add(const DeviceException& added, DevicePolicy& policy) {
  for (DeviceException& old : policy.exceptions) {
    if (Covers(old, added) && Covers(added, old)) {
      old.access |= added.access;
      return;
    }
  }
  policy.exceptions.push_back(added);
}

absl::Status Take(const DeviceException& taken, DevicePolicy& policy) {
  for (const DeviceException& old : policy.exceptions) {
    if (Overlap(old, taken) && !Covers(taken, old)) {
      return absl::InvalidArgumentError(
          "cuts a piece out of a wider rule before it, which the kernel's "
          "devices controller can't express");
    }
  }
  std::vector<DeviceException> left;
  for (DeviceException old : policy.exceptions) {
    if (Covers(taken, old)) old.access &= ~taken.access;
    if (old.access != 0) left.push_back(old);
  }
  policy.exceptions = std::move(left);
  return absl::OkStatus();
}

absl::Status Follow(const DeviceRule& rule, DevicePolicy& policy) {
  if (rule.type != 'a' && rule.type != 'b' && rule.type != 'c') {
    return absl::InvalidArgumentError("type: want 'c', 'b' or 'a'");
  }
  DeviceException exception;
  ASSIGN_OR_RETURN(exception.major, Number("major", rule.major, kMaxMajor));
  ASSIGN_OR_RETURN(exception.minor, Number("minor", rule.minor, kMaxMinor));
  ASSIGN_OR_RETURN(exception.access, AccessBits(rule.access));
  if (rule.type == 'a' && !exception.major && !exception.minor &&
      exception.access == kAccessAll) {
    policy = {rule.allow, {}};
    return absl::OkStatus();
  }
  for (char type : {'b', 'c'}) {
    if (rule.type != 'a' && rule.type != type) continue;
    exception.type = type;
    if (rule.allow == policy.allow_by_default) {
      RETURN_IF_ERROR(Take(exception, policy));
    } else {
      Add(exception, policy);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DevicePolicy> MakeDevicePolicy(
    std::span<const DeviceRule> rules) {
  DevicePolicy policy;
  for (size_t i = 0; i < rules.size(); ++i) {
    RETURN_IF_ERROR(Follow(rules[i], policy)) << "device rule " << i;
  }
  return policy;
}

std::string AccessText(uint32_t access) {
  std::string text;
  if (access & kAccessRead) text += 'r';
  if (access & kAccessWrite) text += 'w';
  if (access & kAccessMknod) text += 'm';
  return text;
}

}  // namespace gantry::cgroup
