// The client's end of an exec or attach: its own stdin, stdout, stderr and
// terminal over a WebSocket (v5.channel.k8s.io).
//
// Blocks until the program has ended or the connection is lost. Thread safety:
// one at a time, for the process has one terminal.

#ifndef GANTRY_TOOLS_CTL_REMOTE_COMMAND_H_
#define GANTRY_TOOLS_CTL_REMOTE_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::ctl {

struct RemoteStreams {
  // Descriptors, borrowed; -1: not asked of the server.
  int in = -1;
  int out = -1;
  int err = -1;
  // The program has a terminal: `in`, if it is one, is made raw, and its size
  // is told whenever it changes.
  bool terminal = false;
};

// The program's exit code (of an attach: 0 at its end).
absl::StatusOr<int> RunRemoteCommand(const std::string& url,
                                     const RemoteStreams& streams);

// What the server's last word (metav1.Status as JSON) says: an exit code, or
// why there is none. Pure.
absl::StatusOr<int> ExitCodeOf(absl::string_view status_json);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_REMOTE_COMMAND_H_
