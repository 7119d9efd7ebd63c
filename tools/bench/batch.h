// Work on one server by many connections at once, and how much of it a second:
// the turn of a lane that measures throughput.
//
// Ownership: a Batch owns its connections. Thread safety: none; Run uses
// threads of its own, one for each connection, and joins them.

#ifndef GANTRY_TOOLS_BENCH_BATCH_H_
#define GANTRY_TOOLS_BENCH_BATCH_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/bench/endpoint.h"
#include "tools/bench/mode.h"
#include "tools/bench/report.h"

namespace gantry::bench {

class Batch;
// One for each of ServersOf(options), with options.parallel connections; what
// they are becomes facts of `report`.
absl::StatusOr<std::vector<Batch>> ConnectBatches(const ModeOptions& options,
                                                  const RunMark& mark,
                                                  Report* report);

// How many batches `count` is cut into where servers take turns: enough for a
// noisy while to hit all, few enough to keep `parallel` busy in each.
int BatchesOf(int count, int parallel, size_t servers);

class Batch {
 public:
  // One piece of work, on a connection of its own at that time. Adds what it
  // took by row.
  using Piece =
      std::function<absl::Status(Endpoint& endpoint, int number, Report* rows)>;

  static absl::StatusOr<Batch> Connect(const NamedServer& server,
                                       const RunMark& mark, int connections);

  Endpoint& first() { return *endpoints_[0]; }
  const NamedServer& server() const { return server_; }

  // `count` pieces; their numbers go on from batch to batch. Rows go to
  // `report`. Begins no piece after an interrupt or `longest`.
  absl::Status Run(int count, absl::Duration longest, const Piece& piece,
                   Report* report);

  // What all batches did: "lives", "seconds" and "lives per second".
  void AddRate(absl::string_view what, Report* report) const;
  int done() const { return done_; }

 private:
  explicit Batch(NamedServer server) : server_(std::move(server)) {}

  NamedServer server_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  int next_ = 0;
  int done_ = 0;
  double seconds_ = 0;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_BATCH_H_
