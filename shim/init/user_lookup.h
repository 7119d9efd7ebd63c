// Who a process runs as: the spec's user resolved with the passwd and group
// files of the rootfs.
//
// Those files are untrusted: they are read up to 1 MiB (more is an error, not
// a cut), only if they are regular files, and parsed here, never by the C
// library (which would load what the rootfs's nsswitch.conf names). Lines that
// are not proper entries are skipped; of several entries the first counts.
// Formats: passwd(5), group(5). Thread safety: pure but for the reading.

#ifndef GANTRY_SHIM_INIT_USER_LOOKUP_H_
#define GANTRY_SHIM_INIT_USER_LOOKUP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/spec.pb.h"

namespace gantry::init {

inline constexpr size_t kMaxUserFile = 1 << 20;

struct ResolvedUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  // The primary group first, then as the policy says, each once.
  std::vector<uint32_t> groups;
  // Absolute; "/" if the passwd file says nothing usable.
  std::string home = "/";
};

// Text of /etc/passwd and /etc/group; empty where missing.
struct UserFiles {
  std::string passwd;
  std::string group;
};

// Reads both below `rootfd`, following symlinks inside the root. RESOURCE_
// EXHAUSTED if one is too large, FAILED_PRECONDITION if one is no regular
// file. Does not block on a FIFO or device.
absl::StatusOr<UserFiles> ReadUserFiles(int rootfd);

// INVALID_ARGUMENT for a malformed user and for numbers outside 0..2^31-1 (all
// digits is always a number); NOT_FOUND for a name without an entry.
absl::StatusOr<ResolvedUser> ResolveUser(const spec::User& user,
                                         const UserFiles& files);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_USER_LOOKUP_H_
