// The modes of gantry-bench: each measures, removes what it made and returns a
// report. CANCELLED with nothing left behind when interrupted before the first
// result; a run cut short later reports what it has.

#ifndef GANTRY_TOOLS_BENCH_MODE_H_
#define GANTRY_TOOLS_BENCH_MODE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/floor.h"
#include "tools/bench/report.h"

namespace gantry::bench {

// A server that Networks compares.
struct NetworkServer {
  // What the report calls it.
  std::string title;
  EndpointOptions endpoint;
};

struct ModeOptions {
  EndpointOptions endpoint;
  int count = 100;
  int parallel = 10;
  // After that no new life or measurement begins.
  absl::Duration longest = absl::Minutes(10);
  // For the floor's overlay and the containers' logs; of Pull, for the floor's
  // files: on the file system that the servers keep images on.
  std::string scratch = "/tmp";
  // The servers that Pull compares, in place of endpoint.socket.
  std::vector<std::string> pull_endpoints;
  // What Networks compares, in place of `endpoint`; and the CNI configuration
  // whose plugins are run bare (empty: none are), with where they are.
  std::vector<NetworkServer> network_servers;
  std::string cni_config;
  std::string cni_plugins = "/usr/lib/cni";
};

// Each call of a pod's life one after the other, and the floor between lives.
absl::StatusOr<Report> Latency(const ModeOptions& options);
// Many lives at once.
absl::StatusOr<Report> Parallel(const ModeOptions& options);
// Cold pulls of endpoint.image, which must be on none of the servers, and the
// floor between (pull_floor.h).
absl::StatusOr<Report> Pull(const ModeOptions& options);
// Pods without containers on each server in turn, and bare plugins
// (bare_plugins.h) between.
absl::StatusOr<Report> Networks(const ModeOptions& options);
// The floor alone.
absl::StatusOr<Report> FloorOnly(const ModeOptions& options);

// Adds one measurement of the floor to the report's rows.
void AddFloor(const FloorCosts& costs, Report* report);
// The row that is "the floor".
inline constexpr char kFloorRow[] = "floor";

// Says when to stop: interrupted, or the time is up.
class Stopwatch {
 public:
  explicit Stopwatch(absl::Duration longest);
  bool GoesOn() const;
  double Seconds() const;  // since it was made

 private:
  int64_t begin_;
  int64_t deadline_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_MODE_H_
