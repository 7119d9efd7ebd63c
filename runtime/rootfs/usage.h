// What a directory tree takes on its file system.
//
// Thread safety: pure functions. Blocks: one fstatat per entry, by
// descriptor, links not followed, other mounts not entered.

#ifndef GANTRY_RUNTIME_ROOTFS_USAGE_H_
#define GANTRY_RUNTIME_ROOTFS_USAGE_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace gantry::rootfs {

struct Usage {
  int64_t bytes = 0;   // allocated blocks, a hard-linked file counted once
  int64_t inodes = 0;  // the top directory included

  bool operator==(const Usage&) const = default;
};

// Entries that vanish during the walk are left out.
absl::StatusOr<Usage> UsageOf(int dirfd);

// Of the whole file system that `dirfd` is on: used bytes and inodes.
absl::StatusOr<Usage> FilesystemUsage(int dirfd);

struct Capacity {
  uint64_t bytes = 0;
  uint64_t inodes = 0;
  uint64_t free_inodes = 0;
};

// Of the whole file system that `dirfd` is on: what it has room for.
absl::StatusOr<Capacity> FilesystemCapacity(int dirfd);

}  // namespace gantry::rootfs

#endif  // GANTRY_RUNTIME_ROOTFS_USAGE_H_
