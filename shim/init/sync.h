// The talk between the shim and a child of it that sets itself up: one
// SOCK_SEQPACKET pair per child, both ends close-on-exec.
//
//   shim -> child   GO        the child stands in its cgroups: begin
//   child -> shim   CONSOLE   the terminal's master, as a descriptor
//                   READY     all is set up; execve comes next
//                   FAILED    the reason; the child exits with 127
//
// Then the end of the stream: after READY it means that execve succeeded (or
// that the built-in pause runs), before READY that the child died. FAILED may
// follow READY, for execve itself can fail: a start has succeeded only when
// READY was followed by the end of the stream.
// Ownership: the caller keeps the descriptors. Thread safety: as the socket's.

#ifndef GANTRY_SHIM_INIT_SYNC_H_
#define GANTRY_SHIM_INIT_SYNC_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"

namespace gantry::init {

// Where a set-up failed; part of the error's message.
enum class Stage {
  kSync = 0,
  kNamespaces = 1,
  kRootfs = 2,
  kMounts = 3,
  kDevices = 4,
  kPaths = 5,
  kSysctl = 6,
  kConsole = 7,
  kUser = 8,
  kIdentity = 9,
  kSeccomp = 10,
  kWorkingDirectory = 11,
  kExec = 12,
};

// "mount", "resolve user", ...; "" for kExec, whose errors say it themselves.
const char* StageName(Stage stage);
// The same as the name of a step of a start: "init: resolve user".
std::string StepName(Stage stage);

// --- The shim's end ---

struct SyncPair {
  UniqueFd parent;  // non-blocking
  UniqueFd child;   // blocking
};
absl::StatusOr<SyncPair> MakeSyncPair();

// Lets the child begin. Does not block. To a child that has ended already: the
// failure that it reported, or UNAVAILABLE.
absl::Status SendGo(int parent_fd);

struct Report {
  enum class Kind { kConsole, kReady, kFailed, kClosed };
  Kind kind = Kind::kClosed;
  // kConsole: the pty's master.
  UniqueFd console;
  // kReady: only `user`, `degraded` and `steps` are set.
  shim::Started ready;
  // kFailed: never OK; code, message and errno (ErrnoOf) as the child had them.
  absl::Status failure;
};

// The next report, nothing if none has come yet. Does not block on the parent
// end of MakeSyncPair. After kClosed there is nothing more to read. A message
// that is none of ours is INTERNAL: the child must then be killed.
absl::StatusOr<std::optional<Report>> ReadReport(int parent_fd);

// --- The child's end ---

// Blocks until GO. The end of the stream (the shim died) is CANCELLED.
absl::Status WaitForGo(int child_fd);

absl::Status SendConsole(int child_fd, int master_fd);
absl::Status SendReady(int child_fd, const shim::Started& ready);

// Best effort, for there is nobody else to tell. `failure` is not OK. Long
// messages are cut. Allocates little and calls nothing but sendmsg, so that it
// works behind a seccomp filter.
void SendFailed(int child_fd, Stage stage, const absl::Status& failure);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_SYNC_H_
