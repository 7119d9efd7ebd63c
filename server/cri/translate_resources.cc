#include "server/cri/translate_resources.h"

#include <limits>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "server/cri/check.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::LinuxContainerResources;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// "0-2,7" (cpuset(7), "List format"). Whether the CPUs exist, the kernel says.
absl::Status CheckList(absl::string_view field, absl::string_view list) {
  for (char c : list) {
    if (absl::ascii_isdigit(c) || c == ',' || c == '-') continue;
    return BadValue(field, "a list such as \"0-2,7\"", list);
  }
  return absl::OkStatus();
}

// "2MB": a number and KB, MB or GB, as in the names of hugetlb's files.
bool IsPageSize(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "KB") && !absl::ConsumeSuffix(&text, "MB") &&
      !absl::ConsumeSuffix(&text, "GB")) {
    return false;
  }
  if (text.empty()) return false;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return true;
}

absl::Status SetCpu(const LinuxContainerResources& from,
                    absl::string_view field, spec::Resources& to) {
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".cpu_period"),
                             from.cpu_period(), 0, kMost));
  if (from.cpu_period() != 0) to.set_cpu_period(from.cpu_period());
  // Negative: no limit.
  if (from.cpu_quota() != 0) {
    to.set_cpu_quota(from.cpu_quota() < 0 ? -1 : from.cpu_quota());
  }
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".cpu_shares"),
                             from.cpu_shares(), 0, kMost));
  if (from.cpu_shares() != 0) to.set_cpu_shares(from.cpu_shares());
  RETURN_IF_ERROR(
      CheckList(absl::StrCat(field, ".cpuset_cpus"), from.cpuset_cpus()));
  to.set_cpuset_cpus(from.cpuset_cpus());
  RETURN_IF_ERROR(
      CheckList(absl::StrCat(field, ".cpuset_mems"), from.cpuset_mems()));
  to.set_cpuset_mems(from.cpuset_mems());
  return absl::OkStatus();
}

// -1 is the kernel's word for "no limit".
absl::Status SetMemory(const LinuxContainerResources& from,
                       absl::string_view field, spec::Resources& to) {
  const int64_t limit = from.memory_limit_in_bytes();
  const int64_t swap = from.memory_swap_limit_in_bytes();
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".memory_limit_in_bytes"),
                             limit, -1, kMost));
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".memory_swap_limit_in_bytes"),
                             swap, -1, kMost));
  if (limit != 0) to.set_memory_limit(limit);
  if (swap != 0) to.set_memory_swap_limit(swap);
  if (limit > 0 && swap > 0 && swap < limit) {
    return BadField(
        absl::StrCat(field, ".memory_swap_limit_in_bytes"),
        absl::StrCat("expected at least memory_limit_in_bytes (", limit,
                     "), for it limits memory and swap together, found ",
                     swap));
  }
  return absl::OkStatus();
}

absl::Status SetHugepages(const LinuxContainerResources& from,
                          absl::string_view field, spec::Resources& to) {
  std::set<std::string> seen;
  for (int i = 0; i < from.hugepage_limits_size(); ++i) {
    const runtime::v1::HugepageLimit& limit = from.hugepage_limits(i);
    const std::string path =
        absl::StrCat(field, ".", At("hugepage_limits", i), ".page_size");
    if (!IsPageSize(limit.page_size())) {
      return BadValue(path, "a size such as \"2MB\"", limit.page_size());
    }
    if (!seen.insert(limit.page_size()).second) {
      return BadValue(path, "each size once", limit.page_size());
    }
    spec::HugepageLimit& added = *to.add_hugepages();
    added.set_page_size(limit.page_size());
    added.set_limit(limit.limit());
  }
  return absl::OkStatus();
}

// Names of files in the cgroup's own directory, never a path.
absl::Status SetUnified(const LinuxContainerResources& from,
                        absl::string_view field, spec::Resources& to) {
  const std::string path = absl::StrCat(field, ".unified");
  for (const auto& [file, value] : from.unified()) {
    RETURN_IF_ERROR(CheckName(path, file));
    if (file[0] == '.' || !absl::StrContains(file, '.')) {
      return BadValue(path, "file names such as \"memory.high\"", file);
    }
    // Who is in the cgroup and what it delegates is not a limit.
    if (absl::StartsWith(file, "cgroup.")) {
      return BadValue(path, "a controller's file", file);
    }
    RETURN_IF_ERROR(CheckNoNul(path, value));
    (*to.mutable_unified())[file] = value;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<spec::Resources> ResourcesFromCri(
    const LinuxContainerResources& resources, absl::string_view field) {
  spec::Resources to;
  RETURN_IF_ERROR(SetCpu(resources, field, to));
  RETURN_IF_ERROR(SetMemory(resources, field, to));
  RETURN_IF_ERROR(SetHugepages(resources, field, to));
  RETURN_IF_ERROR(SetUnified(resources, field, to));
  return to;
}

absl::Status CheckOomScoreAdj(const LinuxContainerResources& resources,
                              absl::string_view field) {
  return CheckRange(absl::StrCat(field, ".oom_score_adj"),
                    resources.oom_score_adj(), -1000, 1000);
}

absl::StatusOr<spec::Resources> PodResourcesFromCri(
    const LinuxContainerResources& resources, absl::string_view field) {
  if (resources.oom_score_adj() != 0) {
    return BadField(absl::StrCat(field, ".oom_score_adj"),
                    absl::StrCat("expected none, for a pod has no process, "
                                 "found ",
                                 resources.oom_score_adj()));
  }
  return ResourcesFromCri(resources, field);
}

absl::StatusOr<spec::Resources> PodOverheadFromCri(
    const LinuxContainerResources& overhead, absl::string_view field) {
  const absl::string_view expected =
      "\"\" (it is added to what containers have)";
  if (!overhead.cpuset_cpus().empty()) {
    return BadValue(absl::StrCat(field, ".cpuset_cpus"), expected,
                    overhead.cpuset_cpus());
  }
  if (!overhead.cpuset_mems().empty()) {
    return BadValue(absl::StrCat(field, ".cpuset_mems"), expected,
                    overhead.cpuset_mems());
  }
  if (!overhead.unified().empty()) {
    return BadValue(absl::StrCat(field, ".unified"), expected,
                    overhead.unified().begin()->first);
  }
  return PodResourcesFromCri(overhead, field);
}

LinuxContainerResources ResourcesToCri(const spec::Resources& resources,
                                       int oom_score_adj) {
  LinuxContainerResources to;
  to.set_cpu_period(resources.cpu_period());
  to.set_cpu_quota(resources.cpu_quota());
  to.set_cpu_shares(resources.cpu_shares());
  to.set_memory_limit_in_bytes(resources.memory_limit());
  to.set_memory_swap_limit_in_bytes(resources.memory_swap_limit());
  to.set_cpuset_cpus(resources.cpuset_cpus());
  to.set_cpuset_mems(resources.cpuset_mems());
  to.set_oom_score_adj(oom_score_adj);
  for (const spec::HugepageLimit& limit : resources.hugepages()) {
    runtime::v1::HugepageLimit& added = *to.add_hugepage_limits();
    added.set_page_size(limit.page_size());
    added.set_limit(limit.limit());
  }
  to.mutable_unified()->insert(resources.unified().begin(),
                               resources.unified().end());
  return to;
}

}  // namespace gantry::cri
