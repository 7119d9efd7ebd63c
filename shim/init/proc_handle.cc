#include "shim/init/proc_handle.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"

namespace gantry::init {
namespace {

// Inode of a procfs's root directory (fs/proc/root.c).
constexpr uint64_t kProcRootInode = 1;

absl::Status VerifyProc(int fd) {
  struct statfs info = {};
  if (fstatfs(fd, &info) != 0) return ErrnoStatus(errno, "fstatfs procfs");
  ASSIGN_OR_RETURN(struct stat root, sys::StatFd(fd));
  if (info.f_type == PROC_SUPER_MAGIC && root.st_ino == kProcRootInode) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError("/proc is not a procfs");
}

absl::StatusOr<UniqueFd> MakeProc() {
  ASSIGN_OR_RETURN(UniqueFd context, sys::FsOpen("proc"));
  RETURN_IF_ERROR(sys::FsConfigCreate(context.get()));
  return sys::FsMount(context.get(),
                      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

absl::Status TryOomScoreAdj(int proc, int32_t value) {
  return sys::WriteFileAt(proc, "self/oom_score_adj", absl::StrCat(value));
}

}  // namespace

absl::StatusOr<UniqueFd> OpenProc() {
  absl::StatusOr<UniqueFd> proc = MakeProc();
  if (!proc.ok()) {
    proc = sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
    if (!proc.ok()) return proc.status();
  }
  RETURN_IF_ERROR(VerifyProc(proc->get()));
  return proc;
}

absl::Status WriteSysctls(
    int proc, const google::protobuf::Map<std::string, std::string>& sysctls) {
  for (const auto& [path, value] : sysctls) {
    RETURN_IF_ERROR(sys::WriteFileAt(proc, absl::StrCat("sys/", path), value));
  }
  return absl::OkStatus();
}

absl::Status SetOomScoreAdj(int proc, int32_t wanted,
                            std::vector<std::string>& degraded) {
  absl::Status status = TryOomScoreAdj(proc, wanted);
  const int error_number = ErrnoOf(status);
  if (error_number != EACCES && error_number != EPERM) return status;
  ASSIGN_OR_RETURN(std::string text,
                   sys::ReadFileAt(proc, "self/oom_score_adj"));
  absl::string_view digits = absl::StripAsciiWhitespace(text);
  int32_t allowed = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), allowed);
  // Without CAP_SYS_RESOURCE a score may fall to the lowest that a privileged
  // process ever set (proc(5)), which lies between the two.
  int32_t refused = wanted;
  while (allowed - refused > 1) {
    const int32_t middle = refused + (allowed - refused) / 2;
    (TryOomScoreAdj(proc, middle).ok() ? allowed : refused) = middle;
  }
  degraded.push_back(absl::StrCat("oom_score_adj ", wanted, ": ",
                                  ErrnoName(error_number), ", set to ",
                                  allowed));
  return absl::OkStatus();
}

}  // namespace gantry::init
