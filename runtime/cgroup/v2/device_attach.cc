#include "runtime/cgroup/v2/device_attach.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/v2/device_program.h"

namespace gantry::cgroup::v2 {

namespace {

// As many as the kernel lets one cgroup have (BPF_CGROUP_MAX_PROGS).
constexpr uint32_t kMaxPrograms = 64;

// The result of bpf(2); EAGAIN is the verifier being interrupted by a signal.
int Bpf(int command, bpf_attr* attr) {
  int result;
  do {
    result = syscall(SYS_bpf, command, attr, sizeof(*attr));
  } while (result < 0 && (errno == EAGAIN || errno == EINTR));
  return result;
}

bpf_attr Zeroed() {
  bpf_attr attr;
  // Not "= {}": that may leave the bytes behind the first member alone, and
  // the kernel refuses an attr with unused bytes set.
  memset(&attr, 0, sizeof(attr));
  return attr;
}

absl::StatusOr<UniqueFd> LoadProgram(const std::vector<bpf_insn>& program) {
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr attr = Zeroed();
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insn_cnt = program.size();
  attr.insns = reinterpret_cast<uintptr_t>(program.data());
  attr.license = reinterpret_cast<uintptr_t>(kLicense);
  const int fd = Bpf(BPF_PROG_LOAD, &attr);
  if (fd < 0) return ErrnoStatus(errno, "load the BPF program for devices");
  return UniqueFd(fd);
}

absl::StatusOr<std::vector<uint32_t>> AttachedPrograms(int cgroup_fd) {
  std::vector<uint32_t> ids(kMaxPrograms);
  bpf_attr attr = Zeroed();
  attr.query.target_fd = cgroup_fd;
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = reinterpret_cast<uintptr_t>(ids.data());
  attr.query.prog_cnt = ids.size();
  if (Bpf(BPF_PROG_QUERY, &attr) < 0) {
    return ErrnoStatus(errno, "list the BPF programs for devices");
  }
  ids.resize(attr.query.prog_cnt);
  return ids;
}

absl::Status Attach(int cgroup_fd, int program_fd) {
  bpf_attr attr = Zeroed();
  attr.target_fd = cgroup_fd;
  attr.attach_bpf_fd = program_fd;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (Bpf(BPF_PROG_ATTACH, &attr) < 0) {
    return ErrnoStatus(errno, "attach the BPF program for devices");
  }
  return absl::OkStatus();
}

// OK if the program is gone by itself.
absl::Status Detach(int cgroup_fd, uint32_t program_id) {
  bpf_attr attr = Zeroed();
  attr.prog_id = program_id;
  const UniqueFd program(Bpf(BPF_PROG_GET_FD_BY_ID, &attr));
  if (!program.valid()) {
    if (errno == ENOENT) return absl::OkStatus();
    return ErrnoStatus(errno, "open the BPF program for devices in force");
  }
  attr = Zeroed();
  attr.target_fd = cgroup_fd;
  attr.attach_bpf_fd = program.get();
  attr.attach_type = BPF_CGROUP_DEVICE;
  if (Bpf(BPF_PROG_DETACH, &attr) < 0 && errno != ENOENT) {
    return ErrnoStatus(errno, "detach the BPF program for devices in force");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AttachDevicePolicy(int cgroup_fd, const DevicePolicy& policy) {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> old,
                   AttachedPrograms(cgroup_fd));
  const bool all = policy.allow_by_default && policy.exceptions.empty();
  if (!all) {
    ASSIGN_OR_RETURN(const UniqueFd program,
                     LoadProgram(DeviceProgram(policy)));
    RETURN_IF_ERROR(Attach(cgroup_fd, program.get()));
  }
  for (uint32_t id : old) RETURN_IF_ERROR(Detach(cgroup_fd, id));
  return absl::OkStatus();
}

}  // namespace gantry::cgroup::v2
