// The modes of gantry-bench: each measures, removes what it made and returns a
// report. CANCELLED with nothing left behind when interrupted before the first
// result; a run cut short later reports what it has.
//
// Where servers are compared they take turns (lanes.h), and their rows begin
// with their titles. Modes that hold many pods go through the servers one after
// the other, for what one holds would be the other's load.

#ifndef GANTRY_TOOLS_BENCH_MODE_H_
#define GANTRY_TOOLS_BENCH_MODE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/report.h"

namespace gantry::bench {

// A server under measurement.
struct NamedServer {
  // What the report calls it.
  std::string title;
  EndpointOptions endpoint;
};

struct ModeOptions {
  // Of all servers; with its socket and network, the one that is measured where
  // `servers` is empty.
  EndpointOptions endpoint;
  std::vector<NamedServer> servers;
  int count = 100;
  int parallel = 10;
  // After that no new life or measurement begins.
  absl::Duration longest = absl::Minutes(10);
  // For the floor's overlay and the containers' logs; of Pull, for the floor's
  // files: on the file system that the servers keep images on.
  std::string scratch = "/tmp";
  // The servers that Pull compares, in place of endpoint.socket.
  std::vector<std::string> pull_endpoints;
  // Of Networks: the CNI configuration whose plugins are run bare (empty: none
  // are), with where they are.
  std::string cni_config;
  std::string cni_plugins = "/usr/lib/cni";
  // Of Logs: lines per round.
  int64_t lines = 2'000'000;
  // Of Density: how long CPU is counted.
  absl::Duration idle = absl::Seconds(20);
  // Of Recover: a command for /bin/sh that ends the server and starts another.
  std::string restart;
  int restarts = 1;
  // Of Soak.
  absl::Duration soak = absl::Minutes(1);
  uint64_t seed = 1;
  // The server's root directory, whose growth is told; empty: none.
  std::string root;
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
// Programs run in one container, one after the other and many at once.
absl::StatusOr<Report> Exec(const ModeOptions& options);
// `count` containers held: how long starting, listing, stopping and removing
// takes.
absl::StatusOr<Report> List(const ModeOptions& options);
// `count` idle pods held: memory, mounts and CPU of what runs for them.
absl::StatusOr<Report> Density(const ModeOptions& options);
// Lines through a container's log at full speed, `count` rounds. DATA_LOSS if
// the log is not what was written.
absl::StatusOr<Report> Logs(const ModeOptions& options);
// `count` containers that run while their server is replaced. Of one server.
absl::StatusOr<Report> Recover(const ModeOptions& options);
// Random calls, and whether anything grows by them; progress goes to standard
// error. What should not have failed is in the report's failures(). Of one
// server.
absl::StatusOr<Report> Soak(const ModeOptions& options);
// The floor alone.
absl::StatusOr<Report> FloorOnly(const ModeOptions& options);

// `options.servers`, or the one of `options.endpoint` without a title.
std::vector<NamedServer> ServersOf(const ModeOptions& options);
// FAILED_PRECONDITION if there are several.
absl::StatusOr<NamedServer> OnlyServerOf(const ModeOptions& options,
                                         const char* mode);
// `name` as it stands in the report: "containerd: name", or as it is for a
// server without a title.
std::string NameOf(const NamedServer& server, absl::string_view name);
// What `endpoint` is, as a fact of the report.
void SetServerFacts(const NamedServer& server, const Endpoint& endpoint,
                    Report* report);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_MODE_H_
