#include "tools/bench/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/detect.h"
#include "runtime/cgroup/layout.h"
#include "runtime/sys/file.h"

namespace gantry::bench {
namespace {

constexpr uint64_t kNamespaces = CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID |
                                 CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWCGROUP;
// For a cgroup that the kernel still calls busy after the reap.
constexpr int64_t kRemovePatienceNanos = 1'000'000'000;

absl::StatusOr<std::string> ReadTrimmed(int dirfd, absl::string_view path) {
  ASSIGN_OR_RETURN(std::string text, sys::ReadFileAt(dirfd, path));
  return std::string(absl::StripAsciiWhitespace(text));
}

// Removes it, trying again while it is busy.
absl::Status RemoveCgroup(int root, const std::string& name) {
  const int64_t deadline = MonotonicNanos() + kRemovePatienceNanos;
  while (true) {
    const absl::Status removed = sys::RmdirAt(root, name);
    if (removed.ok() || absl::IsNotFound(removed)) return absl::OkStatus();
    if (ErrnoOf(removed) != EBUSY || MonotonicNanos() > deadline) {
      return removed;
    }
    const timespec pause = {0, 50'000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

Floor::Floor(std::string scratch)
    : scratch_(std::move(scratch)),
      cgroup_name_(absl::StrCat("gantry-bench-floor-", getpid())) {
  // What a container's `true` mostly is; else the host's own.
  if (sys::ExistsAt(AT_FDCWD, "/bin/busybox")) {
    command_ = {"/bin/busybox", "true"};
  } else {
    command_ = {"/bin/true"};
  }
  for (std::string& word : command_) argv_.push_back(word.data());
  argv_.push_back(nullptr);
}

Floor::~Floor() {
  RemoveCgroups().IgnoreError();
  if (directory_.empty()) return;
  const absl::StatusOr<UniqueFd> parent =
      sys::OpenAt(AT_FDCWD, scratch_, O_PATH | O_DIRECTORY);
  if (!parent.ok()) return;
  sys::RemoveTreeAt(parent->get(), directory_.substr(directory_.rfind('/') + 1))
      .IgnoreError();
}

absl::StatusOr<std::unique_ptr<Floor>> Floor::Make(const std::string& scratch) {
  if (geteuid() != 0) {
    return absl::FailedPreconditionError("the floor needs root");
  }
  std::unique_ptr<Floor> floor(new Floor(scratch));
  RETURN_IF_ERROR(floor->MakeDirectories()) << "floor";
  RETURN_IF_ERROR(floor->FindPlaces()) << "floor";
  return floor;
}

absl::Status Floor::MakeDirectories() {
  std::string name = absl::StrCat(scratch_, "/gantry-bench.XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    return ErrnoStatus(errno, absl::StrCat("make a directory in ", scratch_));
  }
  directory_ = name;
  for (const char* part : {"lower", "upper", "work", "merged"}) {
    RETURN_IF_ERROR(
        sys::MkdirAt(AT_FDCWD, absl::StrCat(directory_, "/", part), 0755));
  }
  overlay_target_ = absl::StrCat(directory_, "/merged");
  overlay_options_ =
      absl::StrCat("lowerdir=", directory_, "/lower,upperdir=", directory_,
                   "/upper,workdir=", directory_, "/work");
  return absl::OkStatus();
}

absl::Status Floor::FindPlaces() {
  ASSIGN_OR_RETURN(UniqueFd root,
                   sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  ASSIGN_OR_RETURN(cgroup::Layout layout, cgroup::DetectLayout(root.get()));
  const bool v1 = cgroup::ModeOf(layout) != cgroup::Mode::kV2;
  for (const cgroup::Hierarchy& hierarchy : layout.hierarchies) {
    if (v1 && hierarchy.version == cgroup::Version::kV2) continue;
    Place place;
    place.mount_path = hierarchy.mount_path;
    ASSIGN_OR_RETURN(place.root, sys::OpenAt(AT_FDCWD, hierarchy.mount_path,
                                             O_PATH | O_DIRECTORY));
    const std::vector<std::string>& names = hierarchy.controllers;
    if (v1 && std::find(names.begin(), names.end(), "cpuset") != names.end()) {
      ASSIGN_OR_RETURN(place.cpus,
                       ReadTrimmed(place.root.get(), "cpuset.cpus"));
      ASSIGN_OR_RETURN(place.mems,
                       ReadTrimmed(place.root.get(), "cpuset.mems"));
    }
    places_.push_back(std::move(place));
  }
  return absl::OkStatus();
}

std::string Floor::Description() const {
  return absl::StrCat(absl::StrJoin(command_, " "),
                      " in 6 namespaces, overlay, ", places_.size(),
                      " cgroup hierarchies");
}

absl::StatusOr<std::vector<UniqueFd>> Floor::MakeCgroups() {
  std::vector<UniqueFd> procs;
  for (const Place& place : places_) {
    const int root = place.root.get();
    RETURN_IF_ERROR(sys::MkdirAt(root, cgroup_name_, 0755))
        << "make a cgroup in " << place.mount_path;
    if (!place.cpus.empty()) {
      RETURN_IF_ERROR(sys::WriteFileAt(
          root, absl::StrCat(cgroup_name_, "/cpuset.cpus"), place.cpus));
      RETURN_IF_ERROR(sys::WriteFileAt(
          root, absl::StrCat(cgroup_name_, "/cpuset.mems"), place.mems));
    }
    ASSIGN_OR_RETURN(
        UniqueFd file,
        sys::OpenAt(root, absl::StrCat(cgroup_name_, "/cgroup.procs"),
                    O_WRONLY));
    procs.push_back(std::move(file));
  }
  return procs;
}

absl::Status Floor::RemoveCgroups() {
  absl::Status first;
  for (const Place& place : places_) {
    first.Update(
        Annotate(RemoveCgroup(place.root.get(), cgroup_name_),
                 absl::StrCat("remove a cgroup of ", place.mount_path)));
  }
  return first;
}

absl::StatusOr<int64_t> Floor::RunChild(FloorPlan* plan) {
  plan->program = command_[0].c_str();
  plan->argv = argv_.data();
  const int64_t start = MonotonicNanos();
  const pid_t pid = StartFloorChild(plan);
  if (pid < 0) return ErrnoStatus(-pid, "clone the floor's child");
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (plan->failed_step != nullptr) {
    return ErrnoStatus(plan->error, plan->failed_step);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return absl::InternalError(absl::StrCat(command_[0], " failed"));
  }
  return start;
}

absl::StatusOr<int64_t> Floor::TimeProcess(uint64_t flags) {
  FloorPlan plan;
  plan.flags = flags;
  ASSIGN_OR_RETURN(int64_t start, RunChild(&plan));
  return MonotonicNanos() - start;
}

absl::Status Floor::MeasureWhole(FloorCosts* costs) {
  const int64_t begin = MonotonicNanos();
  absl::Cleanup remove = [this] { RemoveCgroups().IgnoreError(); };
  ASSIGN_OR_RETURN(std::vector<UniqueFd> procs, MakeCgroups());
  std::vector<int> fds;
  for (const UniqueFd& fd : procs) fds.push_back(fd.get());
  FloorPlan plan;
  plan.flags = kNamespaces;
  plan.cgroup_fds = fds.data();
  plan.cgroup_count = fds.size();
  plan.overlay_target = overlay_target_.c_str();
  plan.overlay_options = overlay_options_.c_str();
  ASSIGN_OR_RETURN(int64_t start, RunChild(&plan));
  const int64_t reaped = MonotonicNanos();
  procs.clear();
  std::move(remove).Cancel();
  RETURN_IF_ERROR(RemoveCgroups());
  const int64_t end = MonotonicNanos();
  costs->whole = end - begin;
  costs->make_cgroups = start - begin;
  costs->clone_namespaces = plan.began - start;
  costs->join_cgroups = plan.joined - plan.began;
  costs->mount_overlay = plan.mounted - plan.joined;
  costs->exec_and_reap = reaped - plan.mounted;
  costs->remove_cgroups = end - reaped;
  return absl::OkStatus();
}

absl::StatusOr<FloorCosts> Floor::Measure() {
  FloorCosts costs;
  RETURN_IF_ERROR(MeasureWhole(&costs)) << "floor";
  ASSIGN_OR_RETURN(costs.namespaces_only, TimeProcess(kNamespaces), "floor");
  ASSIGN_OR_RETURN(costs.plain_process, TimeProcess(0), "floor");
  return costs;
}

}  // namespace gantry::bench
