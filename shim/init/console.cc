#include "shim/init/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/in_root.h"
#include "runtime/sys/mount.h"

namespace gantry::init {
namespace {

absl::StatusOr<UniqueFd> OpenMaster(int root) {
  // Looked at before it is opened for use: opening a device can do things.
  ASSIGN_OR_RETURN(UniqueFd path,
                   sys::OpenInRoot(root, "/dev/pts", O_PATH | O_DIRECTORY));
  struct statfs fs = {};
  if (fstatfs(path.get(), &fs) != 0) {
    return ErrnoStatus(errno, "fstatfs /dev/pts");
  }
  if (fs.f_type != DEVPTS_SUPER_MAGIC) {
    return absl::FailedPreconditionError("/dev/pts is not a devpts");
  }
  ASSIGN_OR_RETURN(UniqueFd master,
                   sys::OpenBeneath(path.get(), "ptmx", O_RDWR | O_NOCTTY));
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(master.get()));
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(5, 2)) {
    return absl::FailedPreconditionError("/dev/pts/ptmx is not a ptmx");
  }
  return master;
}

}  // namespace

absl::StatusOr<Console> OpenConsole(int root, uint32_t width, uint32_t height) {
  Console console;
  ASSIGN_OR_RETURN(console.master, OpenMaster(root));
  int locked = 0;
  if (ioctl(console.master.get(), TIOCSPTLCK, &locked) != 0) {
    return ErrnoStatus(errno, "unlock the terminal");
  }
  console.slave.Reset(
      ioctl(console.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!console.slave) return ErrnoStatus(errno, "open the terminal");
  if (width == 0 && height == 0) return console;
  winsize size = {};
  size.ws_col = width;
  size.ws_row = height;
  if (ioctl(console.master.get(), TIOCSWINSZ, &size) != 0) {
    return ErrnoStatus(errno, "set the terminal's size");
  }
  return console;
}

absl::Status BindConsole(int root, int slave) {
  ASSIGN_OR_RETURN(UniqueFd target,
                   sys::CreateFileInRoot(root, "/dev/console", 0600));
  ASSIGN_OR_RETURN(UniqueFd tree,
                   sys::OpenTree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE));
  RETURN_IF_ERROR(sys::AttachMount(tree.get(), target.get()))
      << "bind the terminal to /dev/console";
  return absl::OkStatus();
}

absl::Status ControlConsole(int slave) {
  if (ioctl(slave, TIOCSCTTY, 0) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "make the terminal the controlling one");
}

}  // namespace gantry::init
