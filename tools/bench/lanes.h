// What takes turns in a run: servers, and what they are compared with.
//
// One turn each, round by round, so that a noisy machine hits all alike.
// Ownership: a Lane owns what it measures with. Thread safety: none; a lane may
// use threads within its turn. Blocks for the turns.

#ifndef GANTRY_TOOLS_BENCH_LANES_H_
#define GANTRY_TOOLS_BENCH_LANES_H_

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/floor.h"
#include "tools/bench/report.h"

namespace gantry::bench {

class Lane {
 public:
  virtual ~Lane() = default;
  // Before the rest, so that all begin on an idle machine.
  virtual absl::Status Prepare() { return absl::OkStatus(); }
  // `report`: null in a round that is not counted.
  virtual absl::Status Take(int round, Report* report) = 0;
  // Removes what the lane made, also after an error.
  virtual absl::Status RemoveAll() { return absl::OkStatus(); }
};

using Lanes = std::vector<std::unique_ptr<Lane>>;

struct Rounds {
  int count = 1;  // of those that are counted
  // After that no round begins.
  absl::Duration longest = absl::InfiniteDuration();
  // Not counted, before the others: caches of kernel and servers are cold in
  // the first ones. Fewer if `count` is as small.
  int warm_up = 3;
  // Before each turn: what the one before left to do.
  absl::Duration rest = absl::ZeroDuration();
};

// Lets all lanes take their turns, and then removes what they made, whatever
// happened. How many rounds were counted; CANCELLED if none was, for an
// interrupt or for time.
absl::StatusOr<int> TakeTurns(const Lanes& lanes, const Rounds& rounds,
                              Report* report);

// The floor as a lane: "the floor" and its parts become rows.
class FloorLane : public Lane {
 public:
  explicit FloorLane(std::unique_ptr<Floor> floor) : floor_(std::move(floor)) {}
  absl::Status Take(int round, Report* report) override;

 private:
  const std::unique_ptr<Floor> floor_;
};

// The row that is "the floor".
inline constexpr char kFloorRow[] = "floor";

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_LANES_H_
