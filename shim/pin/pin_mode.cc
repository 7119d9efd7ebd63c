#include "shim/pin/pin_mode.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>
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

// A detached mount, and what it is to be called in the run directory.
struct DetachedPin {
  std::string name;
  bool is_directory = false;
  UniqueFd mount;
};
using DetachedPins = std::vector<DetachedPin>;

// `source`: empty for the caller's own.
absl::StatusOr<DetachedPin> DetachNamespace(absl::string_view name,
                                            absl::string_view source) {
  const std::string own = absl::StrCat("/proc/self/ns/", name);
  ASSIGN_OR_RETURN(
      UniqueFd mount,
      sys::OpenTree(AT_FDCWD, source.empty() ? own : source, OPEN_TREE_CLONE),
      "pin namespace " << name);
  return DetachedPin{std::string(name), false, std::move(mount)};
}

absl::StatusOr<DetachedPin> MakeShm(const PinRequest& request) {
  std::map<std::string, std::string> options = {
      {"source", "shm"},
      {"mode", "1777"},
      {"size", absl::StrCat(request.shm_size)}};
  if (request.user.has_value()) {
    // Root inside owns it; no id has to be mapped then.
    options["uid"] = absl::StrCat(request.user->uids.outside);
    options["gid"] = absl::StrCat(request.user->gids.outside);
  }
  if (!request.shm_context.empty()) options["context"] = request.shm_context;
  ASSIGN_OR_RETURN(UniqueFd context, sys::FsOpen("tmpfs"));
  for (const auto& [key, value] : options) {
    RETURN_IF_ERROR(sys::FsConfigString(context.get(), key, value));
  }
  RETURN_IF_ERROR(sys::FsConfigCreate(context.get()));
  ASSIGN_OR_RETURN(
      UniqueFd mount,
      sys::FsMount(context.get(),
                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  return DetachedPin{kPinnedShm, true, std::move(mount)};
}

// All of them, of the namespaces that the caller is in.
absl::StatusOr<DetachedPins> DetachAll(const PinRequest& request,
                                       absl::string_view user_namespace) {
  DetachedPins pins;
  const std::pair<bool, std::pair<const char*, absl::string_view>> wanted[] = {
      {request.user.has_value(), {kPinnedUser, user_namespace}},
      {request.net, {kPinnedNet, ""}},
      {request.ipc, {kPinnedIpc, ""}},
      {request.uts, {kPinnedUts, ""}}};
  for (const auto& [is_wanted, pin] : wanted) {
    if (!is_wanted) continue;
    ASSIGN_OR_RETURN(DetachedPin detached,
                     DetachNamespace(pin.first, pin.second));
    pins.push_back(std::move(detached));
  }
  if (request.shm_size != 0) {
    ASSIGN_OR_RETURN(DetachedPin shm, MakeShm(request), "make the pod's shm");
    pins.push_back(std::move(shm));
  }
  return pins;
}

// What a pin is mounted on; it must not be there.
absl::StatusOr<UniqueFd> MakeTarget(const DetachedPin& pin, int directory,
                                    UndoStack& undo) {
  const std::string name = pin.name;
  if (!pin.is_directory) {
    ASSIGN_OR_RETURN(
        UniqueFd file,
        sys::OpenAt(directory, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW,
                    0600));
    undo.Push(absl::StrCat("remove ", name),
              [directory, name] { return sys::UnlinkAt(directory, name); });
    return file;
  }
  RETURN_IF_ERROR(sys::MkdirAt(directory, name, 0755));
  undo.Push(absl::StrCat("remove ", name),
            [directory, name] { return sys::RmdirAt(directory, name); });
  return sys::OpenAt(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

absl::Status Attach(const DetachedPin& pin, int directory, UndoStack& undo) {
  ASSIGN_OR_RETURN(const UniqueFd target, MakeTarget(pin, directory, undo));
  RETURN_IF_ERROR(sys::AttachMount(pin.mount.get(), target.get()));
  undo.Push(absl::StrCat("unmount ", pin.name), [directory, name = pin.name] {
    // umount2(2) takes a path; this one cannot be redirected.
    return sys::Umount(absl::StrCat("/proc/self/fd/", directory, "/", name),
                       MNT_DETACH | UMOUNT_NOFOLLOW);
  });
  // Of a shared mount it has become one too.
  return sys::MountSetAttr(pin.mount.get(), "", AT_EMPTY_PATH,
                           {.propagation = MS_PRIVATE});
}

absl::Status AttachAll(const DetachedPins& pins, int directory,
                       UndoStack& undo) {
  for (const DetachedPin& pin : pins) {
    RETURN_IF_ERROR(Attach(pin, directory, undo)) << "pin " << pin.name;
  }
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

int FlagsOf(const PinRequest& request) {
  int flags = 0;
  if (request.net) flags |= CLONE_NEWNET;
  if (request.ipc) flags |= CLONE_NEWIPC;
  if (request.uts) flags |= CLONE_NEWUTS;
  return flags;
}

// Without a user namespace.
absl::StatusOr<DetachedPins> MakeOwn(const PinRequest& request) {
  const int flags = FlagsOf(request);
  if (flags != 0) {
    RETURN_IF_ERROR(sys::Unshare(flags));
  }
  RETURN_IF_ERROR(SetUp(request));
  return DetachAll(request, "");
}

absl::StatusOr<DetachedPins> MakeAll(const PinRequest& request) {
  if (!request.user.has_value()) return MakeOwn(request);
  const int flags = FlagsOf(request);
  ASSIGN_OR_RETURN(const UserHolder holder,
                   UserHolder::Make(*request.user, flags));
  RETURN_IF_ERROR(holder.JoinAsRoot(flags));
  RETURN_IF_ERROR(SetUp(request));
  return DetachAll(request, holder.UserNamespacePath());
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
  const absl::StatusOr<DetachedPins> made = MakeOwn(request);
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
  return KeepOrUndo(AttachAll(*made, directory, undo), undo);
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
  ASSIGN_OR_RETURN(const DetachedPins pins, MakeAll(request));
  UndoStack undo;
  return KeepOrUndo(AttachAll(pins, directory, undo), undo);
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
