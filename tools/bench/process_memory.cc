#include "tools/bench/process_memory.h"

#include <time.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/proc_stat.h"

namespace gantry::bench {
namespace {

int64_t TicksToNanos(uint64_t ticks) {
  return static_cast<int64_t>(ticks) * (1'000'000'000 / sysconf(_SC_CLK_TCK));
}

// The kernel's own sum in nanoseconds; 0 if it cannot be asked.
int64_t CpuClock(pid_t pid) {
  clockid_t clock;
  timespec time;
  if (clock_getcpuclockid(pid, &clock) != 0) return 0;
  if (clock_gettime(clock, &time) != 0) return 0;
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

absl::StatusOr<int64_t> PssBytes(int procfd, pid_t pid) {
  const std::string path = absl::StrCat(pid, "/smaps_rollup");
  ASSIGN_OR_RETURN(const std::string text, sys::ReadFileAt(procfd, path));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    int64_t kib = 0;
    if (absl::ConsumePrefix(&line, "Pss:") &&
        absl::ConsumeSuffix(&line, " kB") && absl::SimpleAtoi(line, &kib)) {
      return kib * 1024;
    }
  }
  return absl::DataLossError(absl::StrCat(path, ": no line Pss"));
}

absl::StatusOr<int64_t> PssBytes(int procfd,
                                 const std::vector<Process>& processes) {
  int64_t sum = 0;
  for (const Process& process : processes) {
    // Its memory is gone, and the file says ESRCH or nothing.
    if (process.zombie) continue;
    const absl::StatusOr<int64_t> bytes = PssBytes(procfd, process.id.pid);
    if (absl::IsNotFound(bytes.status())) continue;
    RETURN_IF_ERROR(bytes);
    sum += *bytes;
  }
  return sum;
}

absl::StatusOr<int64_t> RssBytes(int procfd, pid_t pid) {
  const std::string path = absl::StrCat(pid, "/statm");
  ASSIGN_OR_RETURN(const std::string text, sys::ReadFileAt(procfd, path));
  const std::vector<absl::string_view> columns = absl::StrSplit(text, ' ');
  int64_t pages = 0;
  if (columns.size() < 2 || !absl::SimpleAtoi(columns[1], &pages)) {
    return absl::DataLossError(absl::StrCat(path, ": no second number"));
  }
  return pages * sysconf(_SC_PAGESIZE);
}

absl::StatusOr<CpuTimes> CpuNanos(int procfd,
                                  const std::vector<Process>& processes) {
  CpuTimes times;
  for (const Process& process : processes) {
    const absl::StatusOr<sys::ProcStat> stat =
        sys::ReadProcStat(procfd, process.id.pid);
    if (absl::IsNotFound(stat.status())) continue;
    RETURN_IF_ERROR(stat);
    if (stat->start_ticks != process.id.start_ticks) continue;
    const int64_t own = CpuClock(process.id.pid);
    const uint64_t ticks = stat->user_ticks + stat->system_ticks;
    times[process.id] =
        (own > 0 ? own : TicksToNanos(ticks)) +
        TicksToNanos(stat->reaped_user_ticks + stat->reaped_system_ticks);
  }
  return times;
}

int64_t CpuBetween(const CpuTimes& before, const CpuTimes& after) {
  int64_t sum = 0;
  for (const auto& [id, nanos] : after) {
    const auto was = before.find(id);
    sum += nanos - (was == before.end() ? 0 : was->second);
  }
  return sum;
}

}  // namespace gantry::bench
