#include "runtime/sys/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

// Linux 6.3; older headers lack them.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace gantry::sys {
namespace {

absl::StatusOr<UniqueFd> Create(absl::string_view name, unsigned exec_flag) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const std::string text(name);
  int fd = memfd_create(text.c_str(), flags | exec_flag);
  // Before 6.3 the flag is unknown and every memfd is executable.
  if (fd < 0 && errno == EINVAL) fd = memfd_create(text.c_str(), flags);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("memfd ", name));
  return UniqueFd(fd);
}

absl::Status Seal(int fd, absl::string_view name) {
  constexpr int kSeals =
      F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (lseek(fd, 0, SEEK_SET) != 0 || fcntl(fd, F_ADD_SEALS, kSeals) != 0) {
    return ErrnoStatus(errno, absl::StrCat("seal memfd ", name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> SealedMemfd(absl::string_view name,
                                     absl::string_view data) {
  ASSIGN_OR_RETURN(UniqueFd fd, Create(name, MFD_NOEXEC_SEAL));
  RETURN_IF_ERROR(WriteAll(fd.get(), data)) << "memfd " << name;
  RETURN_IF_ERROR(Seal(fd.get(), name));
  return fd;
}

absl::StatusOr<UniqueFd> SealedCopy(absl::string_view name, int fd) {
  ASSIGN_OR_RETURN(struct stat info, StatFd(fd));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("copy to memfd ", name, ": not a regular file"));
  }
  ASSIGN_OR_RETURN(UniqueFd copy, Create(name, MFD_EXEC));
  off_t offset = 0;
  while (offset < info.st_size) {
    const ssize_t n = sendfile(copy.get(), fd, &offset, info.st_size - offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("copy to memfd ", name));
    if (n == 0) {
      return absl::DataLossError(
          absl::StrCat("copy to memfd ", name, ": the file became shorter"));
    }
  }
  RETURN_IF_ERROR(Seal(copy.get(), name));
  return copy;
}

}  // namespace gantry::sys
