// gantryd from its configuration on: builds the object graph, serves, recovers,
// drains.
//
// Ownership: owns everything. Thread safety: one owner; the methods block.

#ifndef GANTRY_SERVER_DAEMON_H_
#define GANTRY_SERVER_DAEMON_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/config.h"

namespace gantry::server {

class Daemon {
 public:
  // Locks the root directory and opens what is there. Nothing is served yet.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(const Config& config);

  // Without Drain before: calls under way are waited for.
  ~Daemon();

  // From when this returns clients are told who answers and how far the start
  // has come; their other calls wait (start_gate.h).
  absl::Status Serve();

  // Makes every object on disk one that CRI allows (core/recovery.h), then lets
  // all calls go. After an error they wait for good: the process should end at
  // once, without destroying this.
  absl::Status Recover();

  // Takes no new calls and waits for those under way, for the configured time
  // at most. False: some are still under way; then the process should end at
  // once, without destroying this. What they were doing is finished or undone
  // by the next start.
  bool Drain();

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace gantry::server

#endif  // GANTRY_SERVER_DAEMON_H_
