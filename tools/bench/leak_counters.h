// What a server must give back: counts that are the same again once all that
// was made is removed.
//
// Thread safety: plain functions. Blocking: reads all of /proc, walks the
// cgroup tree and, if given, a directory: up to seconds on a large node.

#ifndef GANTRY_TOOLS_BENCH_LEAK_COUNTERS_H_
#define GANTRY_TOOLS_BENCH_LEAK_COUNTERS_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/processes.h"

namespace gantry::bench {

// Borrows its descriptors.
struct LeakSources {
  int procfd = -1;    // of /proc
  int cgroupfd = -1;  // of /sys/fs/cgroup
  // Of the server's root directory; negative: not looked at.
  int rootfd = -1;
  // The server's network namespace; negative: its rules are not counted.
  int netnsfd = -1;
  pid_t server = 0;
  // What the runtime runs for pods (processes.h).
  std::set<ProgramId> programs;
};

struct LeakCounter {
  const char* name;
  const char* unit;
  int64_t count = 0;
};

// In the order that they are shown in:
// - processes, threads, fds and RSS: of the server (processes: with those below
//   it);
// - runtime processes and their RSS: of LeakSources::programs, all over the
//   machine;
// - mounts and links: in the server's mount and network namespaces;
// - cgroups: of all hierarchies, empty ones too;
// - network namespaces, and those of all other kinds: that a process is in or
//   that a mount of the server pins;
// - nft rules: in the server's network namespace;
// - inodes and bytes: of the root directory, without other file systems.
using LeakCounters = std::vector<LeakCounter>;
absl::StatusOr<LeakCounters> ReadLeakCounters(const LeakSources& sources);

// As lines of a table: the names over the counts.
std::string LeakHeading(const LeakCounters& counters);
std::string LeakLine(const LeakCounters& counters);

struct TreeUsage {
  int64_t inodes = 0;
  int64_t bytes = 0;  // allocated
};
// Of the directory `dirfd` and all below it on its file system; a file with
// several names counts once.
absl::StatusOr<TreeUsage> UsageOf(int dirfd);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_LEAK_COUNTERS_H_
