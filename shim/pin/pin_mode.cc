#include "shim/pin/pin_mode.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/mount.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/wire/envelope_channel.h"
#include "shim/donation.h"
#include "shim/loop/own_process.h"
#include "shim/pin/loopback.h"
#include "shim/pin/user_holder.h"

namespace gantry::shim {
namespace {

constexpr size_t kMaxHostNameBytes = HOST_NAME_MAX;

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

// `source`: empty for the caller's own.
absl::Status PinNamespace(absl::string_view name, absl::string_view source,
                          int directory, UndoStack& undo) {
  RETURN_IF_ERROR(sys::OpenAt(directory, name,
                              O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW, 0600))
      << "pin namespace " << name;
  undo.Push(absl::StrCat("remove ", name),
            [directory, name] { return sys::UnlinkAt(directory, name); });
  const std::string own = absl::StrCat("/proc/self/ns/", name);
  RETURN_IF_ERROR(MountPrivately(source.empty() ? own : source, directory, name,
                                 "", MS_BIND, "", undo))
      << "pin namespace " << name;
  return absl::OkStatus();
}

absl::Status MountShm(const PinRequest& request, int directory,
                      UndoStack& undo) {
  std::string options = absl::StrCat("mode=1777,size=", request.shm_size);
  if (request.user.has_value()) {
    // Root inside owns it; no id has to be mapped then.
    absl::StrAppend(&options, ",uid=", request.user->uids.outside,
                    ",gid=", request.user->gids.outside);
  }
  // In quotes: a level has commas.
  if (!request.shm_context.empty()) {
    absl::StrAppend(&options, ",context=\"", request.shm_context, "\"");
  }
  RETURN_IF_ERROR(sys::MkdirAt(directory, kPinnedShm, 0755));
  undo.Push("remove shm",
            [directory] { return sys::RmdirAt(directory, kPinnedShm); });
  RETURN_IF_ERROR(MountPrivately("shm", directory, kPinnedShm, "tmpfs",
                                 MS_NOSUID | MS_NODEV | MS_NOEXEC, options,
                                 undo))
      << "mount the pod's shm";
  return absl::OkStatus();
}

absl::Status WriteSysctl(const std::string& key, const std::string& value) {
  RETURN_IF_ERROR(
      sys::WriteFileAt(AT_FDCWD, absl::StrCat("/proc/sys/", key), value))
      << "set sysctl " << key;
  return absl::OkStatus();
}

// For those of a network namespace a capability counts
// (net/sysctl_net.c), for those of an IPC namespace being the root of its user
// namespace (ipc/ipc_sysctl.c, ipc/mq_sysctl.c): the host's root may not.
absl::Status WriteSysctls(const PinRequest& request) {
  for (const auto& [key, value] : request.sysctls) {
    const uid_t root =
        request.user.has_value() && !absl::StartsWith(key, "net/")
            ? request.user->uids.outside
            : 0;
    if (root != 0 && setresuid(-1, root, -1) != 0) {
      return ErrnoStatus(errno, absl::StrCat("act as user ", root));
    }
    const absl::Status status = WriteSysctl(key, value);
    // Brings the capabilities back as well (capabilities(7)).
    if (root != 0 && setresuid(-1, 0, -1) != 0) {
      return ErrnoStatus(errno, "act as root again");
    }
    RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status SetHostName(const std::string& name) {
  if (name.empty() || sethostname(name.data(), name.size()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("set host name ", name));
}

// Inside the new namespaces.
absl::Status SetUp(const PinRequest& request) {
  if (request.net) {
    RETURN_IF_ERROR(BringLoopbackUp());
  }
  RETURN_IF_ERROR(SetHostName(request.hostname));
  return WriteSysctls(request);
}

absl::Status PinAll(const PinRequest& request, absl::string_view user_namespace,
                    int directory, UndoStack& undo) {
  if (request.user.has_value()) {
    RETURN_IF_ERROR(PinNamespace(kPinnedUser, user_namespace, directory, undo));
  }
  if (request.net) {
    RETURN_IF_ERROR(PinNamespace(kPinnedNet, "", directory, undo));
  }
  if (request.ipc) {
    RETURN_IF_ERROR(PinNamespace(kPinnedIpc, "", directory, undo));
  }
  if (request.uts) {
    RETURN_IF_ERROR(PinNamespace(kPinnedUts, "", directory, undo));
  }
  if (request.shm_size != 0) {
    RETURN_IF_ERROR(MountShm(request, directory, undo));
  }
  return absl::OkStatus();
}

int FlagsOf(const PinRequest& request) {
  int flags = 0;
  if (request.net) flags |= CLONE_NEWNET;
  if (request.ipc) flags |= CLONE_NEWIPC;
  if (request.uts) flags |= CLONE_NEWUTS;
  return flags;
}

// Without a user namespace.
absl::Status EnterNew(const PinRequest& request) {
  const int flags = FlagsOf(request);
  if (flags != 0) {
    RETURN_IF_ERROR(sys::Unshare(flags));
  }
  return SetUp(request);
}

absl::Status MakeAll(const PinRequest& request, int directory,
                     UndoStack& undo) {
  if (!request.user.has_value()) {
    RETURN_IF_ERROR(EnterNew(request));
    return PinAll(request, "", directory, undo);
  }
  const int flags = FlagsOf(request);
  ASSIGN_OR_RETURN(const UserHolder holder,
                   UserHolder::Make(*request.user, flags));
  RETURN_IF_ERROR(holder.JoinAsRoot(flags));
  RETURN_IF_ERROR(SetUp(request));
  return PinAll(request, holder.UserNamespacePath(), directory, undo);
}

// `status` of what `undo` undoes.
absl::Status KeepOrUndo(const absl::Status& status, UndoStack& undo) {
  if (status.ok()) {
    undo.Commit();
    return status;
  }
  const absl::Status undone = undo.Run();
  if (undone.ok()) return status;
  return Annotate(status, absl::StrCat("(not undone: ", undone.message(), ")"));
}

// Makes the namespaces, then waits until it is told whose they are: a message
// with the host name and the pod's run directory. Nothing: the server has no
// use for them any more; the kernel takes them down with this process.
std::optional<absl::Status> MakeAheadAndPin(const PinRequest& request) {
  const absl::Status made = EnterNew(request);
  absl::StatusOr<sys::Message> told =
      sys::Receive(kHandshakeFd, kMaxHostNameBytes);
  if (!told.ok()) return std::nullopt;
  RETURN_IF_ERROR(made);
  if (told->fds.size() != 1) {
    return absl::InvalidArgumentError("told of no run directory");
  }
  RETURN_IF_ERROR(SetHostName(told->data));
  const int directory = told->fds.front().get();
  UndoStack undo;
  return KeepOrUndo(PinAll(request, "", directory, undo), undo);
}

std::optional<absl::Status> ParseAndPin(int argc, char** argv) {
  RETURN_IF_ERROR(ShieldOwnProcess("gantry-pin"));
  ASSIGN_OR_RETURN(
      const PinRequest request,
      ParsePinArguments(std::vector<std::string>(argv, argv + argc)));
  RETURN_IF_ERROR(
      KeepOnlyFds((request.ahead ? kHandshakeFd : kPinDirectoryFd) + 1));
  if (request.ahead) return MakeAheadAndPin(request);
  return Pin(request, kPinDirectoryFd);
}

}  // namespace

absl::Status Pin(const PinRequest& request, int directory) {
  UndoStack undo;
  return KeepOrUndo(MakeAll(request, directory, undo), undo);
}

int RunPinMode(int argc, char** argv) {
  const std::optional<absl::Status> done = ParseAndPin(argc, argv);
  if (!done.has_value()) return 0;
  const absl::Status& status = *done;
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
