#include "tools/ctl/parse.h"

#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"

namespace gantry::ctl {
namespace {

absl::Status Bad(absl::string_view what, absl::string_view text,
                 absl::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no ", what, ": expected ", expected));
}

// A number as people write it: digits with at most one point.
bool PlainNumber(absl::string_view text, double* value) {
  for (char c : text) {
    if (!absl::ascii_isdigit(c) && c != '.') return false;
  }
  return absl::SimpleAtod(text, value) && std::isfinite(*value);
}

// An id as users and groups have it: 0 to 2^32 - 2.
std::optional<int64_t> NumericId(absl::string_view text) {
  uint32_t id = 0;
  if (!absl::SimpleAtoi(text, &id)) return std::nullopt;
  if (id == std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return id;
}

bool IsAbsolute(absl::string_view path) { return absl::StartsWith(path, "/"); }

}  // namespace

absl::StatusOr<int64_t> ParseSize(absl::string_view text) {
  constexpr absl::string_view kExpected =
      "a number of bytes such as 100m, 1.5g or 4096";
  const std::string lower = absl::AsciiStrToLower(text);
  size_t digits = lower.find_first_not_of("0123456789.");
  if (digits == std::string::npos) digits = lower.size();
  absl::string_view unit = absl::string_view(lower).substr(digits);
  double factor = 1;
  constexpr absl::string_view kUnits = "kmgt";
  if (!unit.empty() && kUnits.find(unit[0]) != absl::string_view::npos) {
    factor = std::pow(1024.0, 1.0 + kUnits.find(unit[0]));
    unit.remove_prefix(1);
    if (unit == "i") return Bad("size", text, kExpected);
    absl::ConsumePrefix(&unit, "i");
  }
  absl::ConsumePrefix(&unit, "b");
  double value = 0;
  if (!unit.empty() ||
      !PlainNumber(absl::string_view(lower).substr(0, digits), &value)) {
    return Bad("size", text, kExpected);
  }
  const double bytes = value * factor;
  // The largest double below 2^63.
  if (bytes < 1 || bytes > 9223372036854774784.0) {
    return Bad("size", text, "at least one byte and less than 8 EiB");
  }
  return static_cast<int64_t>(bytes);
}

absl::StatusOr<int64_t> ParseCpuQuota(absl::string_view text) {
  double cpus = 0;
  if (!PlainNumber(text, &cpus) || cpus < 0.01 || cpus > 1'000'000) {
    return Bad("number of CPUs", text, "0.01 or more, such as 0.5 or 2");
  }
  return std::llround(cpus * kCpuPeriodMicros);
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  double seconds = 0;
  if (PlainNumber(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration) ||
             duration < absl::ZeroDuration()) {
    return Bad("duration", text, "seconds, or such as 500ms, 10s or 2m30s");
  }
  return duration;
}

absl::StatusOr<std::pair<std::string, std::string>> ParseEnv(
    absl::string_view text, EnvLookup lookup) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  if (parts.first.empty()) {
    // The value may be a secret: it is not shown.
    return absl::InvalidArgumentError(
        "an environment variable has no name: expected KEY=VALUE");
  }
  if (absl::StrContains(text, '=')) return parts;
  const char* value = lookup(parts.first.c_str());
  if (value == nullptr) {
    return Bad("environment variable", text,
               "KEY=VALUE, or a variable that is set here");
  }
  return std::make_pair(parts.first, std::string(value));
}

absl::StatusOr<MountOption> ParseMount(absl::string_view text) {
  constexpr absl::string_view kExpected =
      "type=bind,src=/on/the/node,dst=/inside[,ro]";
  MountOption mount;
  for (absl::string_view field : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(field, absl::MaxSplits('=', 1));
    const auto& [key, value] = parts;
    if (key == "type") {
      if (value != "bind") return Bad("mount", text, kExpected);
    } else if (key == "src" || key == "source") {
      mount.source = std::string(value);
    } else if (key == "dst" || key == "destination" || key == "target") {
      mount.destination = std::string(value);
    } else if (key == "ro" || key == "readonly") {
      if (!value.empty() && value != "true" && value != "false") {
        return Bad("mount", text, kExpected);
      }
      mount.read_only = value != "false";
    } else if (key == "propagation" || key == "bind-propagation") {
      if (value != "rprivate" && value != "rslave" && value != "rshared") {
        return Bad("mount", text, "propagation=rprivate, rslave or rshared");
      }
      mount.propagation = value == "rprivate" ? "" : std::string(value);
    } else {
      return Bad("mount", text,
                 absl::StrCat("not \"", key, "\" but ", kExpected));
    }
  }
  if (!IsAbsolute(mount.source) || !IsAbsolute(mount.destination)) {
    return Bad("mount", text,
               absl::StrCat("absolute paths for both, ", kExpected));
  }
  return mount;
}

absl::StatusOr<UserOption> ParseUser(absl::string_view text) {
  constexpr absl::string_view kExpected =
      "UID, UID:GID, NAME or NAME:GID with numbers below 4294967295";
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() > 2 || parts[0].empty()) {
    return Bad("user", text, kExpected);
  }
  UserOption user;
  user.uid = NumericId(parts[0]);
  if (!user.uid.has_value()) {
    // A number that is none (too large, negative) is no name either.
    if (absl::ascii_isdigit(parts[0][0]) || parts[0][0] == '-') {
      return Bad("user", text, kExpected);
    }
    user.name = std::string(parts[0]);
  }
  if (parts.size() == 2) {
    user.gid = NumericId(parts[1]);
    if (!user.gid.has_value()) return Bad("user", text, kExpected);
  }
  return user;
}

}  // namespace gantry::ctl
