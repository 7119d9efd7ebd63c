#include "runtime/cgroup/limit_plan.h"

#include <errno.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/cgroup/v1/controllers.h"
#include "runtime/cgroup/v2/controllers.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

using Convert = absl::StatusOr<Writes> (*)(const Resources&,
                                           const CurrentLimits&);

// A controller by its names on both versions; null: not there.
struct Row {
  const char* v1_name;
  Convert v1;
  const char* v2_name;
  Convert v2;
};

template <auto kFunction>
absl::StatusOr<Writes> Alone(const Resources& resources, const CurrentLimits&) {
  return kFunction(resources);
}

constexpr Row kRows[] = {
    {"memory", v1::MemoryWrites, "memory", v2::MemoryWrites},
    {"cpu", v1::CpuWrites, "cpu", v2::CpuWrites},
    {"cpuset", Alone<v1::CpusetWrites>, "cpuset", Alone<v2::CpusetWrites>},
    {"pids", Alone<v1::PidsWrites>, "pids", Alone<v2::PidsWrites>},
    {"hugetlb", Alone<v1::HugetlbWrites>, "hugetlb", Alone<v2::HugetlbWrites>},
    {"blkio", Alone<v1::BlkioWrites>, "io", Alone<v2::IoWrites>},
    {"net_cls", Alone<v1::NetClsWrites>, nullptr, nullptr},
    {"net_prio", Alone<v1::NetPrioWrites>, nullptr, nullptr},
};

absl::Status NoController(absl::string_view what, absl::string_view name) {
  return absl::FailedPreconditionError(
      absl::StrCat(what, ": this machine has no ", name,
                   " controller in a mounted cgroup hierarchy"));
}

// "No huge pages" is said of every page size by clients that count them; it is
// no reason to refuse a container where nobody counts.
bool AsksForNoHugepages(const Row& row, const Resources& resources) {
  if (absl::string_view(row.v1_name) != "hugetlb") return false;
  for (const HugepageLimit& page : resources.hugepage_limits) {
    if (page.limit != 0) return false;
  }
  return true;
}

absl::Status AppendRow(const Hierarchies& hierarchies, const Row& row,
                       const Resources& resources, const CurrentLimits& now,
                       std::vector<HierarchyWrites>& plan) {
  std::optional<Controller> where = hierarchies.Find(row.v1_name);
  if (where.has_value() && where->version != Version::kV1) where.reset();
  Convert convert = row.v1;
  if (!where.has_value() && row.v2_name != nullptr) {
    where = hierarchies.Find(row.v2_name);
    if (where.has_value() && where->version == Version::kV2) convert = row.v2;
  }
  ASSIGN_OR_RETURN(Writes writes, convert(resources, now));
  if (writes.empty()) return absl::OkStatus();
  if (!where.has_value()) {
    if (AsksForNoHugepages(row, resources)) return absl::OkStatus();
    return NoController(absl::StrCat("set ", writes[0].file), row.v1_name);
  }
  plan.push_back({where->hierarchy, std::move(writes)});
  return absl::OkStatus();
}

absl::Status AppendUnified(const Hierarchies& hierarchies,
                           const Resources& resources,
                           std::vector<HierarchyWrites>& plan) {
  if (resources.unified.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Writes writes, v2::UnifiedWrites(resources));
  for (const FileWrite& write : writes) {
    const absl::string_view name = v2::ControllerOfFile(write.file);
    const std::optional<Controller> where = hierarchies.Find(name);
    const bool core = name == "cgroup" && hierarchies.unified().has_value();
    if (!core && (!where.has_value() || where->version != Version::kV2)) {
      return NoController(absl::StrCat("set unified ", write.file),
                          absl::StrCat("cgroup v2 ", name));
    }
  }
  plan.push_back({*hierarchies.unified(), std::move(writes)});
  return absl::OkStatus();
}

// The limit in `file`; unset if the kernel doesn't have the file.
absl::StatusOr<std::optional<int64_t>> ReadLimit(int fd, absl::string_view path,
                                                 absl::string_view file) {
  const std::string name = absl::StrCat(path, "/", file);
  absl::StatusOr<std::string> text = sys::ReadFileAt(fd, name);
  if (text.ok()) return ParseLimit(*text);
  if (ErrnoOf(text.status()) == ENOENT) return std::optional<int64_t>();
  return Annotate(text.status(), "read a limit in force");
}

}  // namespace

absl::StatusOr<std::vector<HierarchyWrites>> PlanLimits(
    const Hierarchies& hierarchies, const Resources& resources,
    const CurrentLimits& now) {
  std::vector<HierarchyWrites> plan;
  for (const Row& row : kRows) {
    RETURN_IF_ERROR(AppendRow(hierarchies, row, resources, now, plan));
  }
  RETURN_IF_ERROR(AppendUnified(hierarchies, resources, plan));
  return plan;
}

absl::StatusOr<CurrentLimits> ReadCurrentLimits(const Hierarchies& hierarchies,
                                                absl::string_view path,
                                                const Resources& resources) {
  CurrentLimits now;
  const auto memory = hierarchies.Find("memory");
  if (memory.has_value() && (resources.memory_limit.has_value() ||
                             resources.memory_swap.has_value())) {
    const int fd = hierarchies.fd(memory->hierarchy);
    const bool v1 = memory->version == Version::kV1;
    ASSIGN_OR_RETURN(
        now.memory,
        ReadLimit(fd, path, v1 ? "memory.limit_in_bytes" : "memory.max"));
    if (v1) {
      ASSIGN_OR_RETURN(now.memory_swap,
                       ReadLimit(fd, path, "memory.memsw.limit_in_bytes"));
    }
  }
  const auto cpu = hierarchies.Find("cpu");
  if (cpu.has_value() && resources.cpu_period.has_value()) {
    const int fd = hierarchies.fd(cpu->hierarchy);
    if (cpu->version == Version::kV1) {
      ASSIGN_OR_RETURN(now.cpu_quota, ReadLimit(fd, path, "cpu.cfs_quota_us"));
    } else {
      // "QUOTA PERIOD"
      absl::StatusOr<std::string> text =
          sys::ReadFileAt(fd, absl::StrCat(path, "/cpu.max"));
      if (text.ok())
        now.cpu_quota = ParseLimit(text->substr(0, text->find(' ')));
    }
  }
  return now;
}

}  // namespace gantry::cgroup
