// Prints a container's log file: what stdout said to one stream, what stderr
// said to another, the parts of a long line joined.
//
// Follows the file by its path: goes on in a new file after a rotation, from
// the beginning after a truncation. Thread safety: none. Blocking: file reads.

#ifndef GANTRY_TOOLS_CTL_LOG_FOLLOW_H_
#define GANTRY_TOOLS_CTL_LOG_FOLLOW_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "tools/ctl/client.h"

namespace gantry::ctl {

class LogFollower {
 public:
  LogFollower(std::string path, std::ostream& out, std::ostream& err);

  // Leaves out what is there but for the last `lines`. Before the first Poll.
  // A file that is missing is OK.
  absl::Status SkipToLast(size_t lines);

  // Prints what is new; whether there was anything. A file that is missing is
  // OK: it may still come. DATA_LOSS for a line over 1 MiB, CANCELLED when
  // `out` or `err` takes no more.
  absl::StatusOr<bool> Poll();

 private:
  absl::Status OpenIfNeeded();
  absl::StatusOr<bool> ReadToEnd();
  absl::Status Print();
  void PrintLine(absl::string_view line);
  bool Replaced() const;

  std::string path_;
  std::ostream& out_;
  std::ostream& err_;
  UniqueFd file_;
  int64_t offset_ = 0;
  std::string pending_;  // read, but without its newline yet
};

// Prints the log as it grows until the container has exited; then its status.
// A server that is away for a while (restarted) is waited for. CANCELLED if
// interrupted.
absl::StatusOr<v1::ContainerStatus> FollowUntilExit(Client& client,
                                                    const std::string& id,
                                                    LogFollower& log);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_LOG_FOLLOW_H_
