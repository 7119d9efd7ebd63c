#include "runtime/net/cni/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::net::cni {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
// Only after a crash is anything waited for by looking again.
constexpr std::chrono::milliseconds kLookAgain{10};
// For the kernel to end what was killed.
constexpr std::chrono::milliseconds kAfterKill{5000};

bool TakeLock(const UniqueFd& file, std::chrono::milliseconds patience) {
  const int64_t deadline =
      RealClock().BootNanos() + patience.count() * 1'000'000;
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    if (RealClock().BootNanos() > deadline) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
  return true;
}

// Kills the groups of the processes that read the file as standard input:
// plugins are leaders of one.
void KillReaders(const UniqueFd& file) {
  absl::StatusOr<struct stat> wanted = sys::StatFd(file.get());
  absl::StatusOr<std::vector<sys::DirEntry>> processes =
      sys::ListDirAt(AT_FDCWD, "/proc");
  if (!wanted.ok() || !processes.ok()) return;
  for (const sys::DirEntry& entry : *processes) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.name, &pid) || pid <= 1 || pid == ::getpid()) {
      continue;
    }
    absl::StatusOr<struct stat> input =
        sys::StatAt(AT_FDCWD, absl::StrCat("/proc/", pid, "/fd/0"));
    if (!input.ok() || input->st_dev != wanted->st_dev ||
        input->st_ino != wanted->st_ino) {
      continue;
    }
    ::kill(::getpgid(pid) == pid ? -pid : pid, SIGKILL);
  }
}

}  // namespace

std::string Inputs::PathOf(const std::string& pod_id) const {
  return absl::StrCat(directory_, "/", pod_id);
}

absl::StatusOr<UniqueFd> Inputs::Make(const std::string& pod_id,
                                      absl::string_view text) const {
  const std::string path = PathOf(pod_id);
  // Anew: what an earlier plugin left running may still have the old one.
  RETURN_IF_ERROR(sys::UnlinkAt(AT_FDCWD, path));
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
  absl::StatusOr<UniqueFd> file =
      sys::OpenAt(AT_FDCWD, path, kFlags, kFileMode);
  if (absl::IsNotFound(file.status())) {
    RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, directory_, kDirectoryMode));
    file = sys::OpenAt(AT_FDCWD, path, kFlags, kFileMode);
  }
  RETURN_IF_ERROR(file);
  // Locked before it has content: a file that is there and not locked has no
  // reader.
  if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
    return ErrnoStatus(errno, absl::StrCat("lock ", path));
  }
  RETURN_IF_ERROR(sys::WriteAll(file->get(), text));
  if (::lseek(file->get(), 0, SEEK_SET) != 0) {
    return ErrnoStatus(errno, absl::StrCat("rewind ", path));
  }
  return file;
}

void Inputs::Remove(const std::string& pod_id) const {
  sys::UnlinkAt(AT_FDCWD, PathOf(pod_id)).IgnoreError();
}

absl::Status Inputs::AwaitLeftOver(const std::string& pod_id,
                                   std::chrono::milliseconds patience) const {
  absl::StatusOr<UniqueFd> file =
      sys::OpenAt(AT_FDCWD, PathOf(pod_id), O_RDONLY | O_NOFOLLOW);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  RETURN_IF_ERROR(file);
  if (!TakeLock(*file, patience)) {
    KillReaders(*file);
    if (!TakeLock(*file, kAfterKill)) {
      return absl::DeadlineExceededError(absl::StrCat(
          "a plugin that was started for pod ", pod_id, " does not end"));
    }
  }
  Remove(pod_id);
  return absl::OkStatus();
}

}  // namespace gantry::net::cni
