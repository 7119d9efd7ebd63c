// Which boot this is: /proc/sys/kernel/random/boot_id (man 4 random). A record
// with another one speaks of processes and mounts that a reboot has ended. And
// which boot a directory was last used in, as the file "boot" in it says.
//
// Thread safety: plain calls. Blocking: NoteBoot waits for the disk.

#ifndef GANTRY_RUNTIME_STATE_BOOT_ID_H_
#define GANTRY_RUNTIME_STATE_BOOT_ID_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry::state {

// A UUID in text, 36 characters; `procfd` is a descriptor of /proc.
absl::StatusOr<std::string> BootId(int procfd);

// Empty: none is noted, or not legibly.
absl::StatusOr<std::string> NotedBoot(int directory);
// Survives a power cut. Does nothing if it is noted already.
absl::Status NoteBoot(int directory, const std::string& id);

}  // namespace gantry::state

#endif  // GANTRY_RUNTIME_STATE_BOOT_ID_H_
