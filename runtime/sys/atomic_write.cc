#include "runtime/sys/atomic_write.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

// O_TMPFILE would need no clean-up after a kill, but linkat(2) cannot replace
// an existing name: it would take a hidden name and a rename all the same.
constexpr absl::string_view kPrefix = ".gantry-tmp-";

std::string TemporaryName() {
  uint64_t random = 0;
  // Eight bytes are never cut short once the source is ready (getrandom(2));
  // if it fails O_EXCL still keeps two writers apart.
  (void)!getrandom(&random, sizeof random, 0);
  return absl::StrCat(kPrefix, absl::Hex(random, absl::kZeroPad16));
}

absl::Status Fill(int fd, absl::string_view data, mode_t mode,
                  Durability durability) {
  RETURN_IF_ERROR(WriteAll(fd, data));
  if (fchmod(fd, mode) != 0) return ErrnoStatus(errno, "chmod");
  if (durability == Durability::kCrash) return absl::OkStatus();
  return FsyncFd(fd, "the new content");
}

}  // namespace

absl::Status AtomicWriteAt(int dirfd, absl::string_view name,
                           absl::string_view data, mode_t mode,
                           Durability durability) {
  if (name.empty() || name.find('/') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("replace \"", name, "\": not one path component"));
  }
  const std::string temporary = TemporaryName();
  // 1. the new content beside the old, readable by nobody else until complete
  ASSIGN_OR_RETURN(
      UniqueFd fd,
      OpenAt(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600),
      "replace " << name);
  absl::Cleanup unlink = [&] { UnlinkAt(dirfd, temporary).IgnoreError(); };
  RETURN_IF_ERROR(Fill(fd.get(), data, mode, durability)) << "replace " << name;
  // 2. over the name: from here on there is nothing to undo
  RETURN_IF_ERROR(RenameAt(dirfd, temporary, dirfd, name));
  std::move(unlink).Cancel();
  // 3. the name itself onto the disk
  if (durability == Durability::kCrash) return absl::OkStatus();
  ASSIGN_OR_RETURN(UniqueFd directory,
                   OpenAt(dirfd, ".", O_RDONLY | O_DIRECTORY));
  return FsyncFd(directory.get(), absl::StrCat("the directory of ", name));
}

absl::Status CleanTemporaries(int dirfd) {
  ASSIGN_OR_RETURN(const std::vector<DirEntry> entries, ListDirAt(dirfd, "."));
  for (const DirEntry& entry : entries) {
    if (!absl::StartsWith(entry.name, kPrefix)) continue;
    RETURN_IF_ERROR(UnlinkAt(dirfd, entry.name));
  }
  return absl::OkStatus();
}

}  // namespace gantry::sys
