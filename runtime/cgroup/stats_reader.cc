#include "runtime/cgroup/stats_reader.h"

#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

// One cgroup's directory in one hierarchy; no file is as good as an empty one.
class Source {
 public:
  Source(int fd, const std::string& path) : fd_(fd), path_(path) {}

  std::string Text(absl::string_view file) const {
    absl::StatusOr<std::string> text =
        sys::ReadFileAt(fd_, absl::StrCat(path_, "/", file));
    return text.ok() ? *std::move(text) : std::string();
  }
  std::optional<uint64_t> Count(absl::string_view file) const {
    return ParseCount(Text(file));
  }
  // Unset also for "no limit".
  std::optional<uint64_t> Limit(absl::string_view file) const {
    const std::optional<int64_t> limit = ParseLimit(Text(file));
    if (!limit.has_value() || *limit == -1) return std::nullopt;
    return static_cast<uint64_t>(*limit);
  }

 private:
  int fd_;
  const std::string& path_;
};

std::optional<uint64_t> Times1000(std::optional<uint64_t> value) {
  if (value.has_value()) *value *= 1000;
  return value;
}

uint64_t Minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

void ReadCpuUsage(Version version, const Source& source, CpuStats& cpu) {
  if (version == Version::kV1) {
    cpu.usage_ns = source.Count("cpuacct.usage");
    cpu.user_ns = source.Count("cpuacct.usage_user");
    cpu.system_ns = source.Count("cpuacct.usage_sys");
    return;
  }
  const std::string text = source.Text("cpu.stat");
  cpu.usage_ns = Times1000(FindCount(text, "usage_usec"));
  cpu.user_ns = Times1000(FindCount(text, "user_usec"));
  cpu.system_ns = Times1000(FindCount(text, "system_usec"));
}

void ReadThrottling(Version version, const Source& source, CpuStats& cpu) {
  const std::string text = source.Text("cpu.stat");
  cpu.periods = FindCount(text, "nr_periods");
  cpu.throttled_periods = FindCount(text, "nr_throttled");
  cpu.throttled_ns = version == Version::kV1
                         ? FindCount(text, "throttled_time")
                         : Times1000(FindCount(text, "throttled_usec"));
}

void ReadMemoryV1(const Source& source, MemoryStats& memory) {
  memory.usage_bytes = source.Count("memory.usage_in_bytes");
  const std::string text = source.Text("memory.stat");
  if (memory.usage_bytes.has_value()) {
    memory.working_set_bytes =
        Minus(*memory.usage_bytes,
              FindCount(text, "total_inactive_file").value_or(0));
  }
  memory.rss_bytes = FindCount(text, "total_rss");
  memory.page_faults = FindCount(text, "total_pgfault");
  memory.major_page_faults = FindCount(text, "total_pgmajfault");
  // The smallest of the limits from here to the root.
  const auto limit =
      ParseLimit(absl::StripPrefix(FindLine(text, "hierarchical_memory_limit"),
                                   "hierarchical_memory_limit "));
  if (limit.value_or(-1) != -1) memory.limit_bytes = *limit;
  const auto both = source.Count("memory.memsw.usage_in_bytes");
  if (!both.has_value() || !memory.usage_bytes.has_value()) return;
  memory.swap_usage_bytes = FindCount(text, "total_swap");
  const auto both_limit = ParseLimit(absl::StripPrefix(
      FindLine(text, "hierarchical_memsw_limit"), "hierarchical_memsw_limit "));
  if (both_limit.value_or(-1) != -1 && memory.limit_bytes.has_value()) {
    const uint64_t allowance = Minus(*both_limit, *memory.limit_bytes);
    memory.swap_available_bytes =
        Minus(allowance, memory.swap_usage_bytes.value_or(0));
  }
}

void ReadMemoryV2(const Source& source, MemoryStats& memory) {
  memory.usage_bytes = source.Count("memory.current");
  const std::string text = source.Text("memory.stat");
  if (memory.usage_bytes.has_value()) {
    memory.working_set_bytes = Minus(
        *memory.usage_bytes, FindCount(text, "inactive_file").value_or(0));
  }
  memory.rss_bytes = FindCount(text, "anon");
  memory.page_faults = FindCount(text, "pgfault");
  memory.major_page_faults = FindCount(text, "pgmajfault");
  memory.limit_bytes = source.Limit("memory.max");
  memory.swap_usage_bytes = source.Count("memory.swap.current");
  if (const auto limit = source.Limit("memory.swap.max"); limit.has_value()) {
    memory.swap_available_bytes =
        Minus(*limit, memory.swap_usage_bytes.value_or(0));
  }
}

// Lines of "8:0 Read 4096" and a "Total" at the end.
std::pair<std::optional<uint64_t>, std::optional<uint64_t>> SumBlkio(
    absl::string_view text) {
  if (text.empty()) return {};
  uint64_t read = 0;
  uint64_t write = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    uint64_t count = 0;
    if (words.size() != 3 || !absl::SimpleAtoi(words[2], &count)) continue;
    if (words[1] == "Read") read += count;
    if (words[1] == "Write") write += count;
  }
  return {read, write};
}

// Lines of "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0".
void SumIoStat(absl::string_view text, IoStats& io) {
  uint64_t read = 0, write = 0, reads = 0, writes = 0;
  const std::pair<absl::string_view, uint64_t*> keys[] = {{"rbytes=", &read},
                                                          {"wbytes=", &write},
                                                          {"rios=", &reads},
                                                          {"wios=", &writes}};
  for (absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    for (const auto& [key, sum] : keys) {
      absl::string_view number = word;
      uint64_t count = 0;
      if (absl::ConsumePrefix(&number, key) &&
          absl::SimpleAtoi(number, &count)) {
        *sum += count;
      }
    }
  }
  io.read_bytes = read;
  io.write_bytes = write;
  io.read_operations = reads;
  io.write_operations = writes;
}

void ReadIo(Version version, const Source& source, IoStats& io) {
  if (version == Version::kV2) {
    SumIoStat(source.Text("io.stat"), io);
    return;
  }
  std::tie(io.read_bytes, io.write_bytes) =
      SumBlkio(source.Text("blkio.throttle.io_service_bytes_recursive"));
  std::tie(io.read_operations, io.write_operations) =
      SumBlkio(source.Text("blkio.throttle.io_serviced_recursive"));
}

void ReadHugepages(Version version, const Source& source,
                   const std::vector<std::string>& sizes, Stats& stats) {
  const bool v1 = version == Version::kV1;
  for (const std::string& size : sizes) {
    const std::string stem = absl::StrCat("hugetlb.", size);
    const auto usage =
        source.Count(absl::StrCat(stem, v1 ? ".usage_in_bytes" : ".current"));
    if (!usage.has_value()) continue;
    stats.hugepages.push_back(
        {size, *usage,
         source.Limit(absl::StrCat(stem, v1 ? ".limit_in_bytes" : ".max"))});
  }
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

absl::StatusOr<Stats> StatsReader::Read() const {
  const Hierarchies& all = *hierarchies_;
  if (!sys::ExistsAt(all.fd(all.primary()), path_)) return Missing(path_);
  const auto source = [&](size_t i) { return Source(all.fd(i), path_); };
  Stats stats;
  // cgroup2 counts CPU time of every cgroup, the controller on or off.
  if (const auto c = all.Find("cpuacct"); c.has_value()) {
    ReadCpuUsage(Version::kV1, source(c->hierarchy), stats.cpu);
  } else if (all.unified().has_value()) {
    ReadCpuUsage(Version::kV2, source(*all.unified()), stats.cpu);
  }
  if (const auto c = all.Find("cpu"); c.has_value()) {
    ReadThrottling(c->version, source(c->hierarchy), stats.cpu);
  }
  if (const auto c = all.Find("memory"); c.has_value()) {
    if (c->version == Version::kV1) {
      ReadMemoryV1(source(c->hierarchy), stats.memory);
    } else {
      ReadMemoryV2(source(c->hierarchy), stats.memory);
    }
    if (stats.memory.limit_bytes.has_value()) {
      stats.memory.available_bytes =
          Minus(*stats.memory.limit_bytes,
                stats.memory.working_set_bytes.value_or(0));
    }
  }
  if (const auto c = all.Find("pids"); c.has_value()) {
    stats.pids.current = source(c->hierarchy).Count("pids.current");
    stats.pids.limit = source(c->hierarchy).Limit("pids.max");
  }
  for (const char* name : {"blkio", "io"}) {
    const auto c = all.Find(name);
    if (c.has_value()) ReadIo(c->version, source(c->hierarchy), stats.io);
  }
  if (const auto c = all.Find("hugetlb"); c.has_value()) {
    ReadHugepages(c->version, source(c->hierarchy),
                  all.layout().huge_page_sizes, stats);
  }
  if (all.unified().has_value()) {
    const Source unified = source(*all.unified());
    stats.cpu.pressure = ParsePressure(unified.Text("cpu.pressure"));
    stats.memory.pressure = ParsePressure(unified.Text("memory.pressure"));
    stats.io.pressure = ParsePressure(unified.Text("io.pressure"));
  }
  return stats;
}

absl::StatusOr<uint64_t> StatsReader::OomKills() const {
  const auto memory = hierarchies_->Find("memory");
  if (!memory.has_value()) {
    return absl::FailedPreconditionError(
        "OOM kills: no mounted hierarchy has the memory controller");
  }
  const int fd = hierarchies_->fd(memory->hierarchy);
  if (!sys::ExistsAt(fd, path_)) return Missing(path_);
  const std::string text = Source(fd, path_).Text(
      memory->version == Version::kV1 ? "memory.oom_control" : "memory.events");
  const auto count = FindCount(text, "oom_kill");
  if (!count.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "OOM kills: the kernel doesn't count them in cgroup ", path_));
  }
  return *count;
}

}  // namespace gantry::cgroup
