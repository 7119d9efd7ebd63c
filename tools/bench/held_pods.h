// Pods with one running container each that are there for a while: what the
// modes hold that look at a loaded node.
//
// Ownership: owns the connection; what is on the server is removed by Remove or
// RemoveAll, never by the destructor. Thread safety: none; each call uses so
// many threads of its own as it was given, and joins them. Blocks for the
// calls.

#ifndef GANTRY_TOOLS_BENCH_HELD_PODS_H_
#define GANTRY_TOOLS_BENCH_HELD_PODS_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/mode.h"
#include "tools/bench/report.h"

namespace gantry::bench {

struct HeldPod {
  std::string pod;
  std::string container;
};

class HeldPods {
 public:
  // `mark` must outlive it. `at_once`: calls.
  static absl::StatusOr<std::unique_ptr<HeldPods>> Connect(NamedServer server,
                                                           const RunMark& mark,
                                                           int at_once);
  // A new connection, where the server is another one now.
  absl::Status Reconnect();

  Endpoint& endpoint() { return *endpoint_; }
  const NamedServer& server() const { return server_; }
  const std::vector<HeldPod>& pods() const { return pods_; }

  // Each of them adds a row for each verb to `report`, and returns the seconds
  // for all. CANCELLED if cut short, by an interrupt or after `longest`.
  absl::StatusOr<double> Start(int count, absl::Duration longest,
                               Report* report);
  // One exec in each container.
  absl::StatusOr<double> Exec(absl::Duration longest, Report* report);
  absl::StatusOr<double> Stop(absl::Duration longest, Report* report);
  absl::StatusOr<double> Remove(absl::Duration longest, Report* report);

  // What is left of the run on the server, whatever happened.
  absl::Status RemoveAll();

 private:
  using Step = std::function<absl::Status(int index, Life* life)>;

  HeldPods(NamedServer server, const RunMark& mark, int at_once)
      : server_(std::move(server)), mark_(mark), at_once_(at_once) {}
  absl::StatusOr<double> ForEach(const Step& step, absl::Duration longest,
                                 Report* report);

  const NamedServer server_;
  const RunMark& mark_;
  const int at_once_;
  std::unique_ptr<Endpoint> endpoint_;
  std::vector<HeldPod> pods_;
};

// Connects to each server in turn, lets `measure` do with the pods what it
// wants, and removes what it made, whatever happened. `report`: gets the facts.
absl::Status WithHeldPods(
    const ModeOptions& options, const RunMark& mark,
    const std::vector<NamedServer>& servers, Report* report,
    const std::function<absl::Status(HeldPods& held)>& measure);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_HELD_PODS_H_
