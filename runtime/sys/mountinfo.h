// The mount table of a process: /proc/PID/mountinfo (man 5 proc).
//
// Mount points are foreign bytes: they may hold anything but NUL, with space,
// tab, newline and backslash written as octal escapes. Thread safety: pure but
// for the read.

#ifndef GANTRY_RUNTIME_SYS_MOUNTINFO_H_
#define GANTRY_RUNTIME_SYS_MOUNTINFO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::sys {

struct MountInfo {
  uint64_t id = 0;
  uint64_t parent_id = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::string root;         // of the mount within its file system, unescaped
  std::string mount_point;  // unescaped
  std::string options;      // per mount: "rw,nosuid"
  std::vector<std::string> tags;  // "shared:1", "master:2", "unbindable", ...
  std::string fs_type;
  std::string source;         // unescaped
  std::string super_options;  // per super block: "rw,cpu,cpuacct", unescaped
};

// The mounts in the order of the text (later ones cover earlier ones).
// INVALID_ARGUMENT with the line's number for a line that is not one.
absl::StatusOr<std::vector<MountInfo>> ParseMountinfo(absl::string_view text);

// The caller's table, through a descriptor of /proc. "self/mountinfo" below it.
absl::StatusOr<std::vector<MountInfo>> ReadMountinfo(int procfd);

// The mount that what `fd` (of the caller) names lies in. "self/fdinfo/FD" and
// "self/mountinfo" below procfd. NOT_FOUND for one outside of the caller's root
// directory or mount namespace.
absl::StatusOr<MountInfo> MountOf(int procfd, int fd);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_MOUNTINFO_H_
