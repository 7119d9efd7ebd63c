// What the steps of a set-up hand on to each other, and how a set-up begins.
//
// Ownership: Setup owns its descriptors; all are close-on-exec. Thread safety:
// one per process.

#ifndef GANTRY_SHIM_INIT_SETUP_H_
#define GANTRY_SHIM_INIT_SETUP_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "shim/init/sync.h"
#include "shim/init/user_lookup.h"
#include "shim/init/user_namespace.h"

namespace gantry::init {

struct Setup {
  // Begins a step. In a start that is traced READY tells when, by the stage's
  // name or by `step`: a stage may have several of them.
  void Enter(Stage next, const char* step = nullptr);

  // The step at work, for the error.
  Stage stage = Stage::kSync;
  // Until READY is sent.
  bool trace_steps = false;
  UniqueFd sync;
  // The host's /dev/null, verified to be it.
  UniqueFd null;
  // What becomes 0, 1 and 2, and which of them nobody gave.
  UniqueFd stdio[3];
  bool is_null[3] = {false, false, false};
  // A procfs that nobody else sees (proc_handle.h).
  UniqueFd proc;
  // The rootfs.
  UniqueFd root;
  ResolvedUser user;
  // The same with the host's numbers, for what is given to the user before the
  // user namespace is entered; equal to `user` where there is none.
  ResolvedUser outside;
  // What leads into the user namespace, if there is one to enter.
  UniqueFd user_namespace;
  Mounts mounts = Mounts::kKeep;
  UniqueFd cwd;
  // What READY will carry.
  shim::Started ready;
};

// First of all: not dumpable, so that no process of a joined namespace can
// look into this one before execve (CVE-2016-9962); dies with the shim; keeps
// no descriptor but those named, moved out of the way of 0, 1 and 2 (the
// numbers in `others` are changed; -1 is left alone); default signals. Then
// waits for GO.
absl::Status Begin(int sync_fd, const int (&stdio)[3],
                   std::span<int* const> others, Setup& setup);

// To be called again when the identity has changed, for that clears both.
// CANCELLED if the shim is already gone.
absl::Status DieWithShim(int sync_fd);
absl::Status HideFromDebuggers();

// Takes the container's own /dev/null below setup.root for the streams that
// nobody gave, if it is one; else they stay with the host's.
void UseOwnNull(Setup& setup);

// Gives pipes among stdio to the user, so that it can reopen /dev/stdout. To be
// called while the caller may.
void OwnStdio(const Setup& setup);

// Makes stdio 0, 1 and 2; then whatever is still open closes on exec.
absl::Status InstallStdio(Setup& setup);

// Reports `failure` of the current stage and ends the process.
[[noreturn]] void Fail(const Setup& setup, const absl::Status& failure);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_SETUP_H_
