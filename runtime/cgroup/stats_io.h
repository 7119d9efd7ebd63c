// What one cgroup read from and wrote to disks, and its huge pages.
//
// Sources: Documentation/admin-guide/cgroup-v1/blkio-controller.rst,
// hugetlb.rst, cgroup-v2.rst.
// Thread safety: reentrant. Blocks for cgroupfs. Internal to runtime/cgroup.

#ifndef GANTRY_RUNTIME_CGROUP_STATS_IO_H_
#define GANTRY_RUNTIME_CGROUP_STATS_IO_H_

#include <string>
#include <vector>

#include "runtime/cgroup/layout.h"
#include "runtime/cgroup/stats.h"
#include "runtime/cgroup/stats_source.h"

namespace gantry::cgroup {

void ReadIo(Version version, const StatsSource& source, IoStats& io);

// `sizes` as in Layout::huge_page_sizes.
void ReadHugepages(Version version, const StatsSource& source,
                   const std::vector<std::string>& sizes,
                   std::vector<HugepageStats>& hugepages);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_STATS_IO_H_
