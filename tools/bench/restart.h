// Replaces a server by a command of the user's, and sees when its successor
// serves.
//
// Ownership: the command is a child that is reaped if it ends in time; one that
// goes on (it may be the server itself) is left alone. Thread safety: none.
// Blocks until the successor answers.

#ifndef GANTRY_TOOLS_BENCH_RESTART_H_
#define GANTRY_TOOLS_BENCH_RESTART_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/spawn.h"
#include "tools/bench/server_process.h"

namespace gantry::bench {

class Restart {
 public:
  // Runs `command` by /bin/sh, in a session of its own (Ctrl-C is not for the
  // server) and with /dev/null as its input and output.
  static absl::StatusOr<Restart> Begin(const std::string& endpoint,
                                       const std::string& command);

  // CLOCK_MONOTONIC nanoseconds.
  int64_t begun() const { return begun_; }

  // Waits until another server than before answers Version. FAILED_PRECONDITION
  // if the command failed, CANCELLED after `longest` and if interrupted.
  absl::Status UntilAnswered(absl::Duration longest);

 private:
  absl::StatusOr<bool> Answers() const;
  // Reaps the command if it has ended; an error if it failed.
  absl::Status CheckCommand();

  std::string endpoint_;
  UniqueFd proc_;
  ServerIdentity before_;
  sys::Spawned command_;
  bool command_ended_ = false;
  int64_t begun_ = 0;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_RESTART_H_
