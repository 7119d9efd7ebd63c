// The words that options are written in: sizes, CPUs, durations, environment,
// mounts, users. Pure functions; nothing blocks.
//
// Errors: INVALID_ARGUMENT, telling the text and what was expected.

#ifndef GANTRY_TOOLS_CTL_PARSE_H_
#define GANTRY_TOOLS_CTL_PARSE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace gantry::ctl {

// "100m", "1.5g", "64KiB", "4096": bytes, with k, m, g and t as powers of 1024
// in any case; "b", "ib" after them say nothing more.
absl::StatusOr<int64_t> ParseSize(absl::string_view text);

// "0.5", "2": CPUs, at least 0.01, as the quota in microseconds of a period of
// kCpuPeriodMicros.
inline constexpr int64_t kCpuPeriodMicros = 100'000;
absl::StatusOr<int64_t> ParseCpuQuota(absl::string_view text);

// "10" (seconds), "1.5s", "2m30s": not negative.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// "KEY=VALUE"; "KEY" alone takes the caller's own value of it, which `lookup`
// finds (nullptr: not set, an error).
using EnvLookup = const char* (*)(const char* name);
absl::StatusOr<std::pair<std::string, std::string>> ParseEnv(
    absl::string_view text, EnvLookup lookup);

struct MountOption {
  std::string source;       // absolute, on the node
  std::string destination;  // absolute, inside
  bool read_only = false;
  std::string propagation;  // "", "rslave" or "rshared"
};
// "type=bind,src=/a,dst=/b[,ro][,propagation=rslave]", with the other usual
// names of these keys (source; destination, target; readonly).
absl::StatusOr<MountOption> ParseMount(absl::string_view text);

struct UserOption {
  std::string name;  // where the user is not a number
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
};
// "1000", "1000:100", "name", "name:100".
absl::StatusOr<UserOption> ParseUser(absl::string_view text);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_PARSE_H_
