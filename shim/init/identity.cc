#include "shim/init/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "shim/init/limits.h"

namespace gantry::init {
namespace {

struct CapSets {
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
};

absl::StatusOr<CapSets> GetCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) {
    return ErrnoStatus(errno, "capget");
  }
  auto join = [](uint32_t low, uint32_t high) {
    return low | uint64_t{high} << 32;
  };
  return CapSets{join(data[0].effective, data[1].effective),
                 join(data[0].permitted, data[1].permitted),
                 join(data[0].inheritable, data[1].inheritable)};
}

absl::Status SetCapabilities(const CapSets& sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = sets.effective >> (32 * i);
    data[i].permitted = sets.permitted >> (32 * i);
    data[i].inheritable = sets.inheritable >> (32 * i);
  }
  if (syscall(SYS_capset, &header, data) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "capset");
}

absl::Status DropBounding(uint64_t keep) {
  for (int n = 0; n < 64; ++n) {
    if ((keep >> n & 1) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0) continue;
    // Past the last one that the kernel knows.
    if (errno == EINVAL) return absl::OkStatus();
    return ErrnoStatus(
        errno, absl::StrCat("drop capability ", n, " from the bounding set"));
  }
  return absl::OkStatus();
}

absl::Status RaiseAmbient(uint64_t wanted) {
  for (int n = 0; n < 64; ++n) {
    if ((wanted >> n & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) != 0) {
      return ErrnoStatus(errno, absl::StrCat("raise ambient capability ", n));
    }
  }
  return absl::OkStatus();
}

absl::Status SetIds(const ResolvedUser& user) {
  std::vector<gid_t> groups(user.groups.begin(), user.groups.end());
  if (setgroups(groups.size(), groups.data()) != 0) {
    return ErrnoStatus(errno, "setgroups");
  }
  if (setresgid(user.gid, user.gid, user.gid) != 0) {
    return ErrnoStatus(errno, absl::StrCat("setresgid ", user.gid));
  }
  if (setresuid(user.uid, user.uid, user.uid) != 0) {
    return ErrnoStatus(errno, absl::StrCat("setresuid ", user.uid));
  }
  return absl::OkStatus();
}

// security(7) attributes for the coming execve. The labels are none of the
// host's secrets.
absl::Status SetLabels(const plan::Identity& identity, int proc) {
  if (!identity.selinux_label().empty()) {
    RETURN_IF_ERROR(
        sys::WriteFileAt(proc, "self/attr/exec", identity.selinux_label()))
        << "set SELinux label";
  }
  if (identity.apparmor_profile().empty()) return absl::OkStatus();
  std::string change = absl::StrCat("exec ", identity.apparmor_profile());
  // The file of its own (5.8) works also with other modules stacked.
  absl::Status status =
      sys::WriteFileAt(proc, "self/attr/apparmor/exec", change);
  if (absl::IsNotFound(status)) {
    status = sys::WriteFileAt(proc, "self/attr/exec", change);
  }
  RETURN_IF_ERROR(status) << "set AppArmor profile";
  return absl::OkStatus();
}

absl::Status LoadSeccomp(const plan::Identity& identity) {
  const std::string& program = identity.seccomp_program();
  if (program.empty()) return absl::OkStatus();
  if (program.size() % sizeof(sock_filter) != 0 ||
      program.size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(absl::StrCat(
        "seccomp program of ", program.size(), " bytes is malformed"));
  }
  sock_fprog code = {
      static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
      reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, identity.seccomp_flags(),
              &code) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "load seccomp filter");
}

absl::Status DropCapabilities(const plan::Identity& identity) {
  ASSIGN_OR_RETURN(CapSets held, GetCapabilities());
  CapSets sets;
  sets.permitted = identity.cap_permitted() & held.permitted;
  sets.effective = identity.cap_effective() & sets.permitted;
  sets.inheritable = identity.cap_inheritable() & held.inheritable;
  return SetCapabilities(sets);
}

}  // namespace

absl::Status PrepareIdentity(const plan::Identity& identity, int proc,
                             std::vector<std::string>& degraded) {
  RETURN_IF_ERROR(SetLimits(identity, degraded));
  return SetLabels(identity, proc);
}

absl::Status BecomeUser(const plan::Identity& identity,
                        const ResolvedUser& user,
                        std::vector<std::string>& degraded) {
  ASSIGN_OR_RETURN(CapSets held, GetCapabilities());
  const uint64_t missing = identity.cap_permitted() & ~held.permitted;
  for (int n = 0; n < 64; ++n) {
    if ((missing >> n & 1) != 0) {
      degraded.push_back(absl::StrCat("capability ", n, ": not available"));
    }
  }
  RETURN_IF_ERROR(DropBounding(identity.cap_bounding()));
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "keep capabilities");
  }
  RETURN_IF_ERROR(SetIds(user));
  // The change of ids has emptied the effective set.
  held.effective = held.permitted;
  held.inheritable = identity.cap_inheritable() & held.permitted;
  RETURN_IF_ERROR(SetCapabilities(held));
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "no longer keep capabilities");
  }
  return RaiseAmbient(identity.cap_ambient() & held.inheritable);
}

absl::Status FinishIdentity(const plan::Identity& identity) {
  umask(identity.umask());
  if (!identity.no_new_privs()) {
    // Loading takes CAP_SYS_ADMIN then (seccomp(2)).
    RETURN_IF_ERROR(LoadSeccomp(identity));
    return DropCapabilities(identity);
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoStatus(errno, "set no_new_privs");
  }
  RETURN_IF_ERROR(DropCapabilities(identity));
  return LoadSeccomp(identity);
}

}  // namespace gantry::init
