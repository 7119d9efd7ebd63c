// Replacing a file as a whole: a reader sees the old content or the new one.
//
// The new content is written to a hidden file in the same directory and renamed
// over the name (rename(2) replaces atomically). Nothing is left on failure; a
// process killed in between leaves one hidden file, for CleanTemporaries.
// Thread safety: any thread; of two writers of one name the last rename wins.
// Blocking: kPowerCut waits for the disk.

#ifndef GANTRY_RUNTIME_SYS_ATOMIC_WRITE_H_
#define GANTRY_RUNTIME_SYS_ATOMIC_WRITE_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::sys {

enum class Durability {
  kCrash,     // survives the death of any process: rename only
  kPowerCut,  // survives a power cut: fsync file, rename, fsync directory
};

// Gives `name` (one path component) in `dirfd` the content `data` and exactly
// the mode `mode`, whatever the umask.
absl::Status AtomicWriteAt(int dirfd, absl::string_view name,
                           absl::string_view data, mode_t mode,
                           Durability durability);

// Removes what killed writers left in `dirfd`. Only while nobody writes there:
// at start-up.
absl::Status CleanTemporaries(int dirfd);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_ATOMIC_WRITE_H_
