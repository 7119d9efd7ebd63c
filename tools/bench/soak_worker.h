// Random calls on pods of its own, each of which must succeed, or be refused
// where CRI says so.
//
// Ownership: borrows the endpoint; its pods are removed by End, and what that
// cannot remove by Endpoint::RemoveAll. Thread safety: none; each thread has a
// worker of its own. Blocks for a call. The same seed makes the same choices as
// long as all answers are as they should be.

#ifndef GANTRY_TOOLS_BENCH_SOAK_WORKER_H_
#define GANTRY_TOOLS_BENCH_SOAK_WORKER_H_

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/bench/endpoint.h"

namespace gantry::bench {

class SoakWorker {
 public:
  // `first_number`: of its pods and containers; they go on from there.
  // `staying`: a container of somebody else's, which runs all the time.
  SoakWorker(Endpoint* endpoint, uint64_t seed, int first_number,
             std::string staying);

  void Step();
  void End();

  // By what was done. The failures are the first ones; failed() counts all.
  const std::map<std::string, int64_t>& done() const { return done_; }
  const std::vector<std::string>& failures() const { return failures_; }
  int64_t failed() const { return failed_; }

 private:
  enum class State { kCreated, kRunning, kExited };
  struct Container {
    std::string id;
    int number = 0;
    State state = State::kCreated;
  };
  struct Pod {
    std::string id;
    int number = 0;
    bool ready = true;
    std::vector<Container> containers;
  };
  // A container and where it is.
  struct Place {
    size_t pod = 0;
    size_t index = 0;
  };
  struct Operation;
  static std::span<const Operation> Operations();

  Container& At(const Place& place) {
    return pods_[place.pod].containers[place.index];
  }
  template <typename Wanted>
  std::vector<Place> Find(const Wanted& wanted) const;
  std::vector<Place> InState(State state) const;
  size_t Choose(size_t count);
  // Chooses one, and remembers its pod for the case that the call fails.
  Place Pick(const std::vector<Place>& places);
  Pod& PickPod();

  static bool HasRoom(const Pod& pod);
  bool HasRoomForPod() const { return pods_.size() < 3; }
  bool HasPod() const { return !pods_.empty(); }
  bool HasAny() const;
  bool HasRoomForContainer() const;
  bool HasCreated() const;
  bool HasRunning() const { return !InState(State::kRunning).empty(); }
  bool HasExited() const { return !InState(State::kExited).empty(); }
  bool Always() const { return true; }

  absl::Status RunPod();
  absl::Status ExecInStaying();
  absl::Status Create();
  absl::Status Start();
  absl::Status StartAgain();
  absl::Status Exec();
  absl::Status ExecInExited();
  absl::Status StopContainer();
  absl::Status RemoveContainer();
  absl::Status StopPod();
  absl::Status RemovePod();
  absl::Status Lists();
  absl::Status Status();
  absl::Status Stats();

  std::vector<Place> Startable() const;
  void Note(const char* what, const absl::Status& status);
  void Forget(size_t pod);
  void RemoveLogs(const Pod& pod);

  Endpoint& endpoint_;
  std::mt19937_64 random_;
  int next_number_;
  const std::string staying_;
  std::vector<Pod> pods_;
  size_t current_ = 0;  // pod of the call under way; pods_.size(): none
  Life life_;
  std::map<std::string, int64_t> done_;
  std::vector<std::string> failures_;
  int64_t failed_ = 0;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_SOAK_WORKER_H_
