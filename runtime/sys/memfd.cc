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

// Whether the seals are set, or the errno. The kernel refuses F_SEAL_WRITE with
// EBUSY while somebody beside the file holds one of its pages, after it has
// waited for 150 ms (memfd_wait_for_pins() in mm/memfd.c). It holds pages
// itself for a moment, and on an idle machine one new file in some thousands
// was refused that nobody else had ever seen; asked again, it is sealed.
int AddSeals(int fd) {
  constexpr int kSeals =
      F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  constexpr int kTries = 8;
  for (int i = 0; i < kTries; ++i) {
    if (fcntl(fd, F_ADD_SEALS, kSeals) == 0) return 0;
    if (errno != EBUSY) return errno;
  }
  return EBUSY;
}

}  // namespace

absl::Status SealMemfd(int fd, absl::string_view name) {
  int error = lseek(fd, 0, SEEK_SET) < 0 ? errno : 0;
  if (error == 0) error = AddSeals(fd);
  if (error == 0) return absl::OkStatus();
  return ErrnoStatus(error, absl::StrCat("seal memfd ", name));
}

absl::StatusOr<UniqueFd> SealedMemfd(absl::string_view name,
                                     absl::string_view data) {
  ASSIGN_OR_RETURN(UniqueFd fd, Create(name, MFD_NOEXEC_SEAL));
  RETURN_IF_ERROR(WriteAll(fd.get(), data)) << "memfd " << name;
  RETURN_IF_ERROR(SealMemfd(fd.get(), name));
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
  RETURN_IF_ERROR(SealMemfd(copy.get(), name));
  return copy;
}

}  // namespace gantry::sys
