#include "runtime/cgroup/stats_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/cgroup/directory.h"
#include "runtime/cgroup/stats_io.h"
#include "runtime/cgroup/stats_memory.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

// Those whose files are read.
constexpr std::array kCounting = {"cpu",   "cpuacct", "memory", "pids",
                                  "blkio", "io",      "hugetlb"};

std::optional<uint64_t> Times1000(std::optional<uint64_t> value) {
  if (value.has_value()) *value *= 1000;
  return value;
}

void ReadCpuUsage(Version version, const StatsSource& source, Scope scope,
                  CpuStats& cpu) {
  if (version == Version::kV1) {
    cpu.usage_ns = source.Count("cpuacct.usage");
    if (scope != Scope::kAll) return;
    cpu.user_ns = source.Count("cpuacct.usage_user");
    cpu.system_ns = source.Count("cpuacct.usage_sys");
    return;
  }
  const std::string text = source.Text("cpu.stat");
  cpu.usage_ns = Times1000(FindCount(text, "usage_usec"));
  cpu.user_ns = Times1000(FindCount(text, "user_usec"));
  cpu.system_ns = Times1000(FindCount(text, "system_usec"));
}

void ReadThrottling(Version version, const StatsSource& source, CpuStats& cpu) {
  const std::string text = source.Text("cpu.stat");
  cpu.periods = FindCount(text, "nr_periods");
  cpu.throttled_periods = FindCount(text, "nr_throttled");
  cpu.throttled_ns = version == Version::kV1
                         ? FindCount(text, "throttled_time")
                         : Times1000(FindCount(text, "throttled_usec"));
}

absl::Status Missing(const std::string& path) {
  return absl::NotFoundError(absl::StrCat("cgroup ", path, " doesn't exist"));
}

}  // namespace

absl::StatusOr<StatsReader> StatsReader::For(const Hierarchies& hierarchies,
                                             absl::string_view path) {
  ASSIGN_OR_RETURN(std::string normal, NormalizeCgroupPath(path));
  return StatsReader(hierarchies, std::move(normal));
}

absl::StatusOr<StatsReader> StatsReader::Open(const Hierarchies& hierarchies,
                                              absl::string_view path) {
  ASSIGN_OR_RETURN(StatsReader reader, For(hierarchies, path));
  std::vector<bool> wanted(hierarchies.size());
  wanted[hierarchies.primary()] = true;
  if (hierarchies.unified().has_value()) wanted[*hierarchies.unified()] = true;
  for (const char* controller : kCounting) {
    const auto found = hierarchies.Find(controller);
    if (found.has_value()) wanted[found->hierarchy] = true;
  }
  reader.dirs_.resize(hierarchies.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) continue;
    absl::StatusOr<UniqueFd> dir =
        sys::OpenAt(hierarchies.fd(i), reader.path_, O_PATH | O_DIRECTORY);
    if (dir.ok()) {
      reader.dirs_[i] = *std::move(dir);
    } else if (i == hierarchies.primary()) {
      return Missing(reader.path_);
    }
  }
  reader.has_pressure_ =
      hierarchies.unified().has_value() &&
      !reader.Source(*hierarchies.unified()).Text("cpu.pressure").empty();
  return reader;
}

size_t StatsReader::fds() const {
  return std::count_if(dirs_.begin(), dirs_.end(),
                       [](const UniqueFd& dir) { return dir.valid(); });
}

StatsSource StatsReader::Source(size_t i) const {
  if (i < dirs_.size() && dirs_[i].valid()) {
    return StatsSource(dirs_[i].get(), "");
  }
  return StatsSource(hierarchies_->fd(i), path_);
}

absl::StatusOr<Stats> StatsReader::Read(Scope scope) const {
  const Hierarchies& all = *hierarchies_;
  if (!sys::ExistsAt(all.fd(all.primary()), path_)) return Missing(path_);
  Stats stats;
  // cgroup2 counts CPU time of every cgroup, the controller on or off.
  if (const auto c = all.Find("cpuacct"); c.has_value()) {
    ReadCpuUsage(Version::kV1, Source(c->hierarchy), scope, stats.cpu);
  } else if (all.unified().has_value()) {
    ReadCpuUsage(Version::kV2, Source(*all.unified()), scope, stats.cpu);
  }
  if (const auto c = all.Find("memory"); c.has_value()) {
    ReadMemory(c->version, Source(c->hierarchy), scope, stats.memory);
  }
  if (scope == Scope::kAll) ReadAll(stats);
  ReadPressures(stats);
  return stats;
}

void StatsReader::ReadAll(Stats& stats) const {
  const Hierarchies& all = *hierarchies_;
  if (const auto c = all.Find("cpu"); c.has_value()) {
    ReadThrottling(c->version, Source(c->hierarchy), stats.cpu);
  }
  if (const auto c = all.Find("memory"); c.has_value()) {
    stats.oom_kills = ReadOomKills(c->version, Source(c->hierarchy));
  }
  if (const auto c = all.Find("pids"); c.has_value()) {
    stats.pids.current = Source(c->hierarchy).Count("pids.current");
    stats.pids.limit = Source(c->hierarchy).Limit("pids.max");
  }
  for (const char* name : {"blkio", "io"}) {
    const auto c = all.Find(name);
    if (c.has_value()) ReadIo(c->version, Source(c->hierarchy), stats.io);
  }
  if (const auto c = all.Find("hugetlb"); c.has_value()) {
    ReadHugepages(c->version, Source(c->hierarchy),
                  all.layout().huge_page_sizes, stats.hugepages);
  }
}

void StatsReader::ReadPressures(Stats& stats) const {
  if (!hierarchies_->unified().has_value() || !has_pressure_) return;
  const StatsSource unified = Source(*hierarchies_->unified());
  stats.cpu.pressure = ParsePressure(unified.Text("cpu.pressure"));
  stats.memory.pressure = ParsePressure(unified.Text("memory.pressure"));
  stats.io.pressure = ParsePressure(unified.Text("io.pressure"));
}

absl::StatusOr<std::vector<pid_t>> StatsReader::Processes() const {
  std::vector<pid_t> pids;
  RETURN_IF_ERROR(AppendProcesses(hierarchies_->fd(hierarchies_->primary()),
                                  path_, /*recursive=*/true, pids));
  return pids;
}

absl::StatusOr<uint64_t> StatsReader::OomKills() const {
  const auto memory = hierarchies_->Find("memory");
  if (!memory.has_value()) {
    return absl::FailedPreconditionError(
        "OOM kills: no mounted hierarchy has the memory controller");
  }
  if (!sys::ExistsAt(hierarchies_->fd(memory->hierarchy), path_)) {
    return Missing(path_);
  }
  const auto count = ReadOomKills(memory->version, Source(memory->hierarchy));
  if (!count.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "OOM kills: the kernel doesn't count them in cgroup ", path_));
  }
  return *count;
}

}  // namespace gantry::cgroup
