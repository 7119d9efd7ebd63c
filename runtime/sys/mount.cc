#include "runtime/sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::sys {
namespace {

std::string Shown(int fd, absl::string_view path) {
  if (path.empty()) return absl::StrCat("fd ", fd);
  return std::string(path);
}

// Null for an empty string: what mount(2) takes for "not given".
const char* OrNull(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

// Adds what the file system said about the failure to its context's log: lines
// like "e overlay: No changes allowed ..." (fsopen(2), "Retrieving messages").
absl::Status ContextError(int error, absl::string_view what, int fs_fd) {
  std::string said;
  char line[512];
  ssize_t n;
  while ((n = read(fs_fd, line, sizeof line)) > 0) {
    absl::string_view text = absl::StripAsciiWhitespace(
        absl::string_view(line, static_cast<size_t>(n)));
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
    absl::StrAppend(&said, said.empty() ? "" : "; ", text);
  }
  const absl::Status status = ErrnoStatus(error, what);
  if (said.empty()) return status;
  return ErrnoStatus(error, absl::StrCat(what, " (", said, ")"));
}

absl::Status Config(int fs_fd, unsigned command, const std::string& key,
                    const void* value, int aux, absl::string_view what) {
  if (fsconfig(fs_fd, static_cast<fsconfig_command>(command),
               key.empty() ? nullptr : key.c_str(), value, aux) != 0) {
    return ContextError(errno, what, fs_fd);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UniqueFd> OpenTree(int dirfd, absl::string_view path,
                                  unsigned flags) {
  int fd =
      open_tree(dirfd, std::string(path).c_str(), flags | OPEN_TREE_CLOEXEC);
  if (fd < 0) {
    return ErrnoStatus(errno, absl::StrCat("open tree ", Shown(dirfd, path)));
  }
  return UniqueFd(fd);
}

absl::Status MoveMount(int from_fd, absl::string_view from_path, int to_fd,
                       absl::string_view to_path, unsigned flags) {
  if (move_mount(from_fd, std::string(from_path).c_str(), to_fd,
                 std::string(to_path).c_str(), flags) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("move mount ", Shown(from_fd, from_path), " to ",
                            Shown(to_fd, to_path)));
  }
  return absl::OkStatus();
}

absl::Status AttachMount(int mount_fd, int target_fd) {
  return MoveMount(mount_fd, "", target_fd, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

absl::StatusOr<UniqueFd> FsOpen(absl::string_view fs_type) {
  int fd = fsopen(std::string(fs_type).c_str(), FSOPEN_CLOEXEC);
  if (fd < 0) {
    return ErrnoStatus(errno, absl::StrCat("open file system ", fs_type));
  }
  return UniqueFd(fd);
}

absl::Status FsConfigFlag(int fs_fd, absl::string_view key) {
  return Config(fs_fd, FSCONFIG_SET_FLAG, std::string(key), nullptr, 0,
                absl::StrCat("set file system option ", key));
}

absl::Status FsConfigString(int fs_fd, absl::string_view key,
                            absl::string_view value) {
  return Config(fs_fd, FSCONFIG_SET_STRING, std::string(key),
                std::string(value).c_str(), 0,
                absl::StrCat("set file system option ", key, "=", value));
}

absl::Status FsConfigFd(int fs_fd, absl::string_view key, int value_fd) {
  return Config(
      fs_fd, FSCONFIG_SET_FD, std::string(key), nullptr, value_fd,
      absl::StrCat("set file system option ", key, " to fd ", value_fd));
}

absl::Status FsConfigCreate(int fs_fd) {
  return Config(fs_fd, FSCONFIG_CMD_CREATE, "", nullptr, 0,
                "create file system");
}

absl::StatusOr<UniqueFd> FsMount(int fs_fd, unsigned attributes) {
  int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes);
  if (fd < 0) return ContextError(errno, "mount file system", fs_fd);
  return UniqueFd(fd);
}

absl::Status MountSetAttr(int dirfd, absl::string_view path, unsigned flags,
                          const MountAttributes& attributes) {
  struct mount_attr raw = {};
  raw.attr_set = attributes.set;
  raw.attr_clr = attributes.clear;
  raw.propagation = attributes.propagation;
  if (attributes.userns_fd >= 0) {
    raw.userns_fd = static_cast<uint64_t>(attributes.userns_fd);
  }
  if (mount_setattr(dirfd, std::string(path).c_str(), flags, &raw,
                    sizeof raw) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("set mount attributes of ", Shown(dirfd, path)));
  }
  return absl::OkStatus();
}

absl::Status Mount(absl::string_view source, absl::string_view target,
                   absl::string_view fs_type, unsigned long flags,
                   absl::string_view data) {
  const std::string from(source), to(target), type(fs_type), options(data);
  if (mount(OrNull(from), to.c_str(), OrNull(type), flags, OrNull(options)) !=
      0) {
    return ErrnoStatus(
        errno, absl::StrCat("mount ", type.empty() ? from : type, " on ", to,
                            " (flags 0x", absl::Hex(flags), ")"));
  }
  return absl::OkStatus();
}

absl::Status Umount(absl::string_view target, int flags) {
  if (umount2(std::string(target).c_str(), flags) != 0) {
    return ErrnoStatus(errno, absl::StrCat("unmount ", target));
  }
  return absl::OkStatus();
}

absl::Status PivotRoot(absl::string_view new_root, absl::string_view put_old) {
  if (syscall(SYS_pivot_root, std::string(new_root).c_str(),
              std::string(put_old).c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("pivot root to ", new_root));
  }
  return absl::OkStatus();
}

}  // namespace gantry::sys
