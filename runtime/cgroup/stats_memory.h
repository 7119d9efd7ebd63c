// Memory counters of one cgroup.
//
// Sources: Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst.
// Thread safety: reentrant. Blocks for cgroupfs. Internal to runtime/cgroup.

#ifndef GANTRY_RUNTIME_CGROUP_STATS_MEMORY_H_
#define GANTRY_RUNTIME_CGROUP_STATS_MEMORY_H_

#include "runtime/cgroup/layout.h"
#include "runtime/cgroup/stats.h"
#include "runtime/cgroup/stats_source.h"

namespace gantry::cgroup {

void ReadMemory(Version version, const StatsSource& source, Scope scope,
                MemoryStats& memory);

// Unset if the kernel doesn't count them.
std::optional<uint64_t> ReadOomKills(Version version,
                                     const StatsSource& source);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_STATS_MEMORY_H_
