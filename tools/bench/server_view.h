// A server as the machine shows it: its process, and what runs and is mounted
// for its pods.
//
// Ownership: owns its descriptor of /proc. Thread safety: const, any thread.
// Blocking: reads of /proc. Needs root.

#ifndef GANTRY_TOOLS_BENCH_SERVER_VIEW_H_
#define GANTRY_TOOLS_BENCH_SERVER_VIEW_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "tools/bench/mode.h"
#include "tools/bench/processes.h"
#include "tools/bench/report.h"

namespace gantry::bench {

class ServerView {
 public:
  // Of who listens at `endpoint`.
  static absl::StatusOr<ServerView> Of(const std::string& endpoint);

  pid_t pid() const { return pid_; }
  int procfd() const { return proc_.get(); }

  absl::StatusOr<std::vector<Process>> Processes() const {
    return ReadProcesses(procfd());
  }
  // The server itself among `processes`.
  std::vector<Process> Itself(const std::vector<Process>& processes) const;
  // How many mounts its mount namespace has.
  absl::StatusOr<int64_t> Mounts() const;

  // Its PSS as the value "server PSS, WHEN".
  absl::Status AddPss(const NamedServer& server, absl::string_view when,
                      Report* report) const;

 private:
  ServerView(UniqueFd proc, pid_t pid) : proc_(std::move(proc)), pid_(pid) {}

  UniqueFd proc_;
  pid_t pid_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_SERVER_VIEW_H_
