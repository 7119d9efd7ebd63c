#include "shim/pin/pin_mode.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/namespaces.h"
#include "runtime/wire/envelope_channel.h"
#include "shim/donation.h"
#include "shim/loop/own_process.h"
#include "shim/pin/loopback.h"

namespace gantry::shim {
namespace {

// Mounts take paths; this one cannot be redirected.
std::string PathOf(int directory, absl::string_view name) {
  return absl::StrCat("/proc/self/fd/", directory, "/", name);
}

absl::Status MountPrivately(absl::string_view source, int directory,
                            absl::string_view name, absl::string_view fs_type,
                            unsigned long flags, absl::string_view data,
                            UndoStack& undo) {
  const std::string target = PathOf(directory, name);
  RETURN_IF_ERROR(sys::Mount(source, target, fs_type, flags, data));
  undo.Push(absl::StrCat("unmount ", name), [target] {
    return sys::Umount(target, MNT_DETACH | UMOUNT_NOFOLLOW);
  });
  return sys::Mount("", target, "", MS_PRIVATE);
}

absl::Status PinNamespace(absl::string_view name, int directory,
                          UndoStack& undo) {
  RETURN_IF_ERROR(sys::OpenAt(directory, name,
                              O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW, 0600))
      << "pin namespace " << name;
  undo.Push(absl::StrCat("remove ", name),
            [directory, name] { return sys::UnlinkAt(directory, name); });
  RETURN_IF_ERROR(MountPrivately(absl::StrCat("/proc/self/ns/", name),
                                 directory, name, "", MS_BIND, "", undo))
      << "pin namespace " << name;
  return absl::OkStatus();
}

absl::Status MountShm(uint64_t size, int directory, UndoStack& undo) {
  RETURN_IF_ERROR(sys::MkdirAt(directory, kPinnedShm, 0755));
  undo.Push("remove shm",
            [directory] { return sys::RmdirAt(directory, kPinnedShm); });
  RETURN_IF_ERROR(MountPrivately("shm", directory, kPinnedShm, "tmpfs",
                                 MS_NOSUID | MS_NODEV | MS_NOEXEC,
                                 absl::StrCat("mode=1777,size=", size), undo))
      << "mount the pod's shm";
  return absl::OkStatus();
}

absl::Status SetUp(const PinRequest& request) {
  int flags = 0;
  if (request.net) flags |= CLONE_NEWNET;
  if (request.ipc) flags |= CLONE_NEWIPC;
  if (request.uts) flags |= CLONE_NEWUTS;
  if (flags != 0) {
    RETURN_IF_ERROR(sys::Unshare(flags));
  }
  if (request.net) {
    RETURN_IF_ERROR(BringLoopbackUp());
  }
  if (!request.hostname.empty() &&
      sethostname(request.hostname.data(), request.hostname.size()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set host name ", request.hostname));
  }
  for (const auto& [key, value] : request.sysctls) {
    RETURN_IF_ERROR(
        sys::WriteFileAt(AT_FDCWD, absl::StrCat("/proc/sys/", key), value))
        << "set sysctl " << key;
  }
  return absl::OkStatus();
}

absl::Status MakeAll(const PinRequest& request, int directory,
                     UndoStack& undo) {
  RETURN_IF_ERROR(SetUp(request));
  if (request.net) {
    RETURN_IF_ERROR(PinNamespace(kPinnedNet, directory, undo));
  }
  if (request.ipc) {
    RETURN_IF_ERROR(PinNamespace(kPinnedIpc, directory, undo));
  }
  if (request.uts) {
    RETURN_IF_ERROR(PinNamespace(kPinnedUts, directory, undo));
  }
  if (request.shm_size != 0) {
    RETURN_IF_ERROR(MountShm(request.shm_size, directory, undo));
  }
  return absl::OkStatus();
}

absl::Status ParseAndPin(int argc, char** argv) {
  RETURN_IF_ERROR(KeepOnlyFds(kPinDirectoryFd + 1));
  RETURN_IF_ERROR(ShieldOwnProcess("gantry-pin"));
  ASSIGN_OR_RETURN(
      const PinRequest request,
      ParsePinArguments(std::vector<std::string>(argv, argv + argc)));
  return Pin(request, kPinDirectoryFd);
}

}  // namespace

absl::Status Pin(const PinRequest& request, int directory) {
  UndoStack undo;
  const absl::Status status = MakeAll(request, directory, undo);
  if (status.ok()) {
    undo.Commit();
    return status;
  }
  const absl::Status undone = undo.Run();
  if (undone.ok()) return status;
  return Annotate(status, absl::StrCat("(not undone: ", undone.message(), ")"));
}

int RunPinMode(int argc, char** argv) {
  const absl::Status status = ParseAndPin(argc, argv);
  Envelope answer;
  answer.set_version(1);
  if (status.ok()) {
    answer.mutable_done();
  } else {
    Error* error = answer.mutable_error();
    error->set_code(static_cast<int>(status.code()));
    error->set_message(std::string(status.message()));
    error->set_errno_value(ErrnoOf(status));
  }
  const absl::Status sent = wire::SendMessage(kHandshakeFd, answer);
  return status.ok() && sent.ok() ? 0 : 1;
}

}  // namespace gantry::shim
