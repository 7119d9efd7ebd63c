// One cgroup: the same path in every hierarchy of the machine.
//
// "gantry/POD/CONTAINER" is a directory of that path below each mounted
// hierarchy's root, v1 (named ones, too) and cgroup2 alike; on a pure v2
// machine that is a single directory. Nothing is kept but the path, so any
// process may make a Manager for a cgroup that another one created.
//
// Blocking: system calls on cgroupfs only (Update: while the kernel reclaims
// memory), but for Kill, Freeze and Remove, which may wait up to the time they
// say. Thread safety: const methods may run
// at once; methods that change the same cgroup are for one caller at a time.
// Errors: NOT_FOUND if the cgroup (or the process) is gone; INVALID_ARGUMENT
// for a value that can't be meant; FAILED_PRECONDITION for what this machine
// can't do, naming the controller or file. Messages name the file and cgroup.
// Sources: Documentation/admin-guide/cgroup-v1/*, .../cgroup-v2.rst.

#ifndef GANTRY_RUNTIME_CGROUP_CGROUP_MANAGER_H_
#define GANTRY_RUNTIME_CGROUP_CGROUP_MANAGER_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/undo_stack.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/device_rules.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/self_placement.h"
#include "runtime/cgroup/stats.h"
#include "runtime/cgroup/subgroup.h"

namespace gantry::cgroup {

class Manager {
 public:
  // Checks `path`; touches nothing. `hierarchies` must outlive the Manager.
  static absl::StatusOr<Manager> For(const Hierarchies& hierarchies,
                                     absl::string_view path);

  const std::string& path() const { return path_; }

  // Makes the cgroup, and those above it, in every hierarchy; enables the
  // available controllers on the way (v2) and hands down cpuset's cpus and mems
  // (v1). A cgroup that exists already is taken as it is. On failure every
  // directory that this call made is removed again.
  absl::Status Create() const;

  // Sets limits on a cgroup just created: each file is written once and nothing
  // is read back. After an error some limits are set: Remove the cgroup.
  absl::Status Apply(const Resources& resources) const;

  // Changes limits of a cgroup in use: all or, on error, none (values written
  // before the failure are put back). A memory limit changed alone keeps the
  // swap allowance (memory_swap - memory_limit), on v1 as on v2. One below what
  // is in use and cannot be reclaimed is an error (EBUSY), and kills nobody.
  absl::Status Update(const Resources& resources) const;

  // The same for a caller that may yet have to take it back: once OK, `undo`
  // has the steps that put the former values back. It must not outlive the
  // hierarchies. On error nothing is pushed.
  absl::Status Update(const Resources& resources, UndoStack& undo) const;

  // The CPUs and memory nodes that its processes may use now: its own, or those
  // above it. Nothing else is set, and nothing on v1, where each has its own.
  Resources CpusetInEffect() const;

  // Whether a cgroup of this machine that was just created could be given these
  // limits, as far as can be told without asking the kernel: errors as Apply.
  static absl::Status Check(const Hierarchies& hierarchies,
                            const Resources& resources);

  // Allows exactly what `rules` come to and denies every other device. At no
  // time is more allowed than by the old or the new rules. On v2, and where no
  // v1 devices controller is mounted, this is a BPF program on the cgroup.
  absl::Status SetDevices(std::span<const DeviceRule> rules) const;

  // Places a process, its threads included, in every hierarchy.
  // `in_unified`: it was cloned into CloneTarget() and needs no move there.
  absl::Status AddProcess(pid_t pid, bool in_unified = false) const;

  // The same for a child, cloned into CloneTarget(), that moves itself
  // (self_placement.h), which is many times as fast.
  absl::StatusOr<SelfPlacement> PrepareSelf() const;

  // The directory for CLONE_INTO_CGROUP on the cgroup2 hierarchy; an invalid fd
  // if this machine has none. In a hybrid the v1 hierarchies are still left to
  // PrepareSelf or AddProcess.
  absl::StatusOr<UniqueFd> CloneTarget() const;

  // Processes of the cgroup and, if `recursive`, of those below it; sorted, no
  // duplicates. A cgroup that doesn't exist has none.
  absl::StatusOr<std::vector<pid_t>> Processes(bool recursive) const;

  // Sends SIGKILL to every process in the cgroup and below, in every hierarchy,
  // so that none is missed that forks meanwhile; frozen ones are thawed.
  // Doesn't wait for them to be gone (see Processes and Remove). Takes at most
  // about two seconds, and then DEADLINE_EXCEEDED. A missing cgroup is OK.
  absl::Status Kill() const;

  // Stops all processes in the cgroup and below and waits until they stand, for
  // at most two seconds (DEADLINE_EXCEEDED, and thawed again).
  absl::Status Freeze() const;
  absl::Status Thaw() const;

  // The cgroups directly below this one in any hierarchy: names, sorted.
  absl::StatusOr<std::vector<std::string>> Children() const;

  // Makes `name` below this cgroup for some of its processes (subgroup.h). The
  // Manager's hierarchies must outlive it. It goes with Remove at the latest.
  absl::StatusOr<Subgroup> MakeSubgroup(absl::string_view name) const;

  // See stats_reader.h, which does the same without a Manager.
  absl::StatusOr<Stats> ReadStats() const;

  // How many processes the OOM killer took here. v2 counts the cgroups below
  // as well; v1 each cgroup for itself. NOT_FOUND if the cgroup is gone,
  // FAILED_PRECONDITION without a memory controller.
  absl::StatusOr<uint64_t> OomKills() const;

  // Removes the cgroup and those below it in every hierarchy, trying again
  // while the kernel calls it busy. What doesn't exist is OK. After `patience`:
  // DEADLINE_EXCEEDED, naming hierarchy and processes that hold it.
  absl::Status Remove(std::chrono::milliseconds patience) const;

 private:
  Manager(const Hierarchies& hierarchies, std::string path)
      : hierarchies_(&hierarchies), path_(std::move(path)) {}

  const Hierarchies* hierarchies_;
  std::string path_;
};

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_CGROUP_MANAGER_H_
