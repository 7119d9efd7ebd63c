// What processes take: memory and CPU, from /proc.
//
// `procfd`: a directory descriptor of /proc, or of a tree like it. Thread
// safety: plain functions. Blocking: PssBytes walks the page tables of the
// process, some milliseconds for a large one. NOT_FOUND once it has ended.

#ifndef GANTRY_TOOLS_BENCH_PROCESS_MEMORY_H_
#define GANTRY_TOOLS_BENCH_PROCESS_MEMORY_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/processes.h"

namespace gantry::bench {

// Proportional set size: a page that n processes share counts 1/n in each
// (smaps_rollup).
absl::StatusOr<int64_t> PssBytes(int procfd, pid_t pid);
// Of all of them; those that have ended count nothing.
absl::StatusOr<int64_t> PssBytes(int procfd,
                                 const std::vector<Process>& processes);

// Resident set size, without a walk (statm).
absl::StatusOr<int64_t> RssBytes(int procfd, pid_t pid);

// CPU nanoseconds of each process, its ended threads and the children that it
// reaped included: a runtime that starts a program for each call pays for it
// too. The resolution is a clock tick, 10 ms, for the reaped ones; for the
// process itself too where its CPU clock cannot be read.
using CpuTimes = std::map<ProcessId, int64_t>;
absl::StatusOr<CpuTimes> CpuNanos(int procfd,
                                  const std::vector<Process>& processes);
// What came between; a process that is new counts whole.
int64_t CpuBetween(const CpuTimes& before, const CpuTimes& after);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_PROCESS_MEMORY_H_
