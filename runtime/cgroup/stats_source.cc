#include "runtime/cgroup/stats_source.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

std::string StatsSource::Text(absl::string_view file) const {
  absl::StatusOr<std::string> text =
      path_.empty() ? sys::ReadFileAt(fd_, file)
                    : sys::ReadFileAt(fd_, absl::StrCat(path_, "/", file));
  return text.ok() ? *std::move(text) : std::string();
}

std::optional<uint64_t> StatsSource::Count(absl::string_view file) const {
  return ParseCount(Text(file));
}

std::optional<uint64_t> StatsSource::Limit(absl::string_view file) const {
  const std::optional<int64_t> limit = ParseLimit(Text(file));
  if (!limit.has_value() || *limit == -1) return std::nullopt;
  return static_cast<uint64_t>(*limit);
}

}  // namespace gantry::cgroup
