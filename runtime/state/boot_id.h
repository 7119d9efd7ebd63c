// Which boot this is: /proc/sys/kernel/random/boot_id (man 4 random). A record
// with another one speaks of processes and mounts that a reboot has ended.

#ifndef GANTRY_RUNTIME_STATE_BOOT_ID_H_
#define GANTRY_RUNTIME_STATE_BOOT_ID_H_

#include <string>

#include "absl/status/statusor.h"

namespace gantry::state {

// A UUID in text, 36 characters; `procfd` is a descriptor of /proc.
absl::StatusOr<std::string> BootId(int procfd);

}  // namespace gantry::state

#endif  // GANTRY_RUNTIME_STATE_BOOT_ID_H_
