// The run directory as a mount of its own that propagates nowhere.
//
// On most hosts / is a shared mount: what is mounted below it, such as a pod's
// pinned namespaces, would appear in the mount namespaces of services and of
// containers that share it, and would stay busy there after its end.
// Blocks for a few system calls. Thread safety: one owner.

#ifndef GANTRY_SERVER_RUN_MOUNT_H_
#define GANTRY_SERVER_RUN_MOUNT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/sys/mountinfo.h"

namespace gantry::server {

enum class RunMount {
  // Nothing is mounted there: bind it on itself.
  kAbsent,
  // It is a mount, but shared: of a server that was killed half-way, or the
  // administrator's.
  kShared,
  // It is as it should be: a server that was here before has left it.
  kPrivate,
  // Pods of a server that made no such mount are pinned below; a mount would
  // hide them. It is made once they are gone.
  kHidesPins,
};

// What `table` says of `directory` (absolute, without symbolic links).
RunMount FindRunMount(const std::vector<sys::MountInfo>& table,
                      absl::string_view directory);

// Whether the mount at `directory` is the directory itself: what
// MakeRunMount makes, and no file system that someone else put there.
bool IsBindOfItself(const std::vector<sys::MountInfo>& table,
                    absl::string_view directory);

// Whatever is there, `directory` is a private mount afterwards (but for
// kHidesPins). It outlives the server.
absl::Status MakeRunMount(const std::string& directory);

// Takes away what MakeRunMount made. Not there is OK.
absl::Status RemoveRunMount(const std::string& directory);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_RUN_MOUNT_H_
