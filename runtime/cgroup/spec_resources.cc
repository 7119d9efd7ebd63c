#include "runtime/cgroup/spec_resources.h"

namespace gantry::cgroup {

Resources ResourcesOf(const spec::Resources& resources) {
  Resources out;
  if (resources.has_memory_limit()) {
    out.memory_limit = resources.memory_limit();
  }
  if (resources.has_memory_swap_limit()) {
    out.memory_swap = resources.memory_swap_limit();
  }
  if (resources.has_memory_reservation()) {
    out.memory_reservation = resources.memory_reservation();
  }
  if (resources.has_cpu_shares()) out.cpu_shares = resources.cpu_shares();
  if (resources.has_cpu_quota()) out.cpu_quota = resources.cpu_quota();
  if (resources.has_cpu_period()) out.cpu_period = resources.cpu_period();
  if (!resources.cpuset_cpus().empty()) {
    out.cpuset_cpus = resources.cpuset_cpus();
  }
  if (!resources.cpuset_mems().empty()) {
    out.cpuset_mems = resources.cpuset_mems();
  }
  if (resources.has_pids_limit()) out.pids_limit = resources.pids_limit();
  for (const spec::HugepageLimit& limit : resources.hugepages()) {
    out.hugepage_limits.push_back({limit.page_size(), limit.limit()});
  }
  for (const auto& [file, value] : resources.unified()) {
    out.unified.emplace_back(file, value);
  }
  return out;
}

}  // namespace gantry::cgroup
