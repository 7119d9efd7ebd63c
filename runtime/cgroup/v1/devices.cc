#include "runtime/cgroup/v1/devices.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace gantry::cgroup::v1 {

namespace {

constexpr char kAllow[] = "devices.allow";
constexpr char kDeny[] = "devices.deny";

bool ParseNumber(absl::string_view text, std::optional<uint32_t>& number) {
  if (text == "*") {
    number = std::nullopt;
    return true;
  }
  uint32_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return false;
  number = value;
  return true;
}

// One line, "c 1:3 rwm".
bool ParseLine(absl::string_view line, DevicePolicy& policy) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || words[0].size() != 1) return false;
  if (words[0] == "a") {
    policy.allow_by_default = true;
    return true;
  }
  const std::vector<absl::string_view> numbers = absl::StrSplit(words[1], ':');
  DeviceException entry;
  entry.type = words[0][0];
  entry.access = 0;
  for (char c : words[2]) {
    entry.access |= c == 'r'   ? kAccessRead
                    : c == 'w' ? kAccessWrite
                    : c == 'm' ? kAccessMknod
                               : 0;
  }
  if ((entry.type != 'b' && entry.type != 'c') || numbers.size() != 2 ||
      !ParseNumber(numbers[0], entry.major) ||
      !ParseNumber(numbers[1], entry.minor)) {
    return false;
  }
  policy.exceptions.push_back(entry);
  return true;
}

std::string Text(const DeviceException& entry, uint32_t access) {
  return absl::StrCat(
      absl::string_view(&entry.type, 1), " ",
      entry.major.has_value() ? absl::StrCat(*entry.major) : "*", ":",
      entry.minor.has_value() ? absl::StrCat(*entry.minor) : "*", " ",
      AccessText(access));
}

// The access bits that `policy` has for exactly the devices of `entry`.
uint32_t AccessIn(const DevicePolicy& policy, const DeviceException& entry) {
  uint32_t access = 0;
  for (const DeviceException& other : policy.exceptions) {
    if (other.type == entry.type && other.major == entry.major &&
        other.minor == entry.minor) {
      access |= other.access;
    }
  }
  return access;
}

// For each of `to`, a write to `file` of what `from` lacks.
void AppendMissing(const char* file, const DevicePolicy& from,
                   const DevicePolicy& to, Writes& writes) {
  for (const DeviceException& entry : to.exceptions) {
    const uint32_t missing = entry.access & ~AccessIn(from, entry);
    if (missing != 0) writes.push_back({file, Text(entry, missing)});
  }
}

}  // namespace

absl::StatusOr<DevicePolicy> ParseDevicesList(absl::string_view text) {
  DevicePolicy policy;
  for (absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    if (!ParseLine(line, policy)) {
      return absl::InternalError(
          absl::StrCat("devices.list: unknown line \"", line, "\""));
    }
  }
  return policy;
}

Writes DeviceWrites(const DevicePolicy& now, const DevicePolicy& wanted) {
  Writes writes;
  const DevicePolicy nothing;
  if (wanted.allow_by_default) {
    writes.push_back({kAllow, "a"});
    AppendMissing(kDeny, nothing, wanted, writes);
  } else if (now.allow_by_default) {
    writes.push_back({kDeny, "a"});
    AppendMissing(kAllow, nothing, wanted, writes);
  } else {
    AppendMissing(kDeny, wanted, now, writes);
    AppendMissing(kAllow, now, wanted, writes);
  }
  return writes;
}

}  // namespace gantry::cgroup::v1
