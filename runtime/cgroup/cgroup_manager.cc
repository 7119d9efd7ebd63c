#include "runtime/cgroup/cgroup_manager.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/undo_stack.h"
#include "runtime/cgroup/directory.h"
#include "runtime/cgroup/limit_plan.h"
#include "runtime/cgroup/memory_room.h"
#include "runtime/cgroup/stats_reader.h"
#include "runtime/cgroup/v1/devices.h"
#include "runtime/cgroup/v2/device_attach.h"
#include "runtime/cgroup/wait.h"
#include "runtime/cgroup/write_plan.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

// Moves a process into one hierarchy's cgroup. EINVAL is what v1 answers while
// a process that was just forked isn't fully there.
absl::Status PlaceIn(int fd, const std::string& file, pid_t pid) {
  const std::string text = absl::StrCat(pid);
  absl::Status status;
  for (int attempt = 0; attempt < 5; ++attempt) {
    status = sys::WriteFileAt(fd, file, text);
    if (ErrnoOf(status) != EINVAL) break;
    Sleep(std::chrono::milliseconds(10));
  }
  return status;
}

}  // namespace

absl::StatusOr<Manager> Manager::For(const Hierarchies& hierarchies,
                                     absl::string_view path) {
  ASSIGN_OR_RETURN(std::string normal, NormalizeCgroupPath(path));
  return Manager(hierarchies, std::move(normal));
}

absl::Status Manager::Create() const {
  UndoStack undo;
  for (size_t i = 0; i < hierarchies_->size(); ++i) {
    RETURN_IF_ERROR(MakeCgroup(*hierarchies_, i, path_, undo));
  }
  undo.Commit();
  return absl::OkStatus();
}

absl::Status Manager::Apply(const Resources& resources) const {
  ASSIGN_OR_RETURN(const auto plan,
                   PlanLimits(*hierarchies_, resources, CurrentLimits()));
  for (const HierarchyWrites& part : plan) {
    RETURN_IF_ERROR(PerformWrites({hierarchies_->fd(part.hierarchy), path_},
                                  part.writes, nullptr));
  }
  return absl::OkStatus();
}

absl::Status Manager::Update(const Resources& resources) const {
  UndoStack undo;
  RETURN_IF_ERROR(Update(resources, undo));
  undo.Commit();
  return absl::OkStatus();
}

absl::Status Manager::Update(const Resources& resources,
                             UndoStack& undo) const {
  ASSIGN_OR_RETURN(const CurrentLimits now,
                   ReadCurrentLimits(*hierarchies_, path_, resources));
  ASSIGN_OR_RETURN(const auto plan, PlanLimits(*hierarchies_, resources, now));
  UndoStack done;
  for (const HierarchyWrites& part : plan) {
    const Place place = {hierarchies_->fd(part.hierarchy), path_};
    UndoStack hold;
    absl::Status status;
    if (hierarchies_->unified() == part.hierarchy) {
      status = MakeMemoryRoom(place, part.writes, hold);
    }
    if (status.ok()) status = PerformWrites(place, part.writes, &done);
    if (status.ok()) status = hold.Run();
    if (status.ok()) continue;
    const absl::Status undone = done.Run();
    if (undone.ok()) return status;
    return Annotate(status, absl::StrCat("limits are partly changed (",
                                         undone.message(), ")"));
  }
  undo.Append(std::move(done));
  return absl::OkStatus();
}

absl::Status Manager::Check(const Hierarchies& hierarchies,
                            const Resources& resources) {
  return PlanLimits(hierarchies, resources, CurrentLimits()).status();
}

absl::Status Manager::SetDevices(std::span<const DeviceRule> rules) const {
  ASSIGN_OR_RETURN(const DevicePolicy wanted, MakeDevicePolicy(rules));
  const auto devices = hierarchies_->Find("devices");
  if (devices.has_value()) {
    const int fd = hierarchies_->fd(devices->hierarchy);
    ASSIGN_OR_RETURN(const std::string text,
                     sys::ReadFileAt(fd, absl::StrCat(path_, "/devices.list")));
    ASSIGN_OR_RETURN(const DevicePolicy now, v1::ParseDevicesList(text));
    return PerformWrites({fd, path_}, v1::DeviceWrites(now, wanted), nullptr);
  }
  if (!hierarchies_->unified().has_value()) {
    return absl::FailedPreconditionError(
        "device rules: this machine mounts neither a v1 devices controller "
        "nor cgroup2");
  }
  ASSIGN_OR_RETURN(const UniqueFd directory,
                   sys::OpenAt(hierarchies_->fd(*hierarchies_->unified()),
                               path_, O_RDONLY | O_DIRECTORY));
  return Annotate(v2::AttachDevicePolicy(directory.get(), wanted),
                  absl::StrCat("cgroup ", path_));
}

absl::Status Manager::AddProcess(pid_t pid, bool in_unified) const {
  if (pid <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("place process ", pid, " in a cgroup: no such number"));
  }
  const std::string file = absl::StrCat(path_, "/cgroup.procs");
  std::vector<size_t> order = {hierarchies_->primary()};
  for (size_t i = 0; i < hierarchies_->size(); ++i) {
    if (i != order[0]) order.push_back(i);
  }
  for (size_t i : order) {
    if (in_unified && i == hierarchies_->unified()) continue;
    RETURN_IF_ERROR(PlaceIn(hierarchies_->fd(i), file, pid))
        << "place process " << pid << " in " << (*hierarchies_)[i].mount_path;
  }
  return absl::OkStatus();
}

absl::StatusOr<SelfPlacement> Manager::PrepareSelf() const {
  return SelfPlacement::Open(*hierarchies_, path_);
}

absl::StatusOr<UniqueFd> Manager::CloneTarget() const {
  const auto unified = hierarchies_->unified();
  if (!unified.has_value()) return UniqueFd();
  return sys::OpenAt(hierarchies_->fd(*unified), path_, O_PATH | O_DIRECTORY);
}

absl::StatusOr<Subgroup> Manager::MakeSubgroup(absl::string_view name) const {
  return Subgroup::Create(*hierarchies_, path_, name);
}

absl::StatusOr<std::vector<pid_t>> Manager::Processes(bool recursive) const {
  std::vector<pid_t> pids;
  RETURN_IF_ERROR(AppendProcesses(hierarchies_->fd(hierarchies_->primary()),
                                  path_, recursive, pids));
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

absl::StatusOr<std::vector<std::string>> Manager::Children() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < hierarchies_->size(); ++i) {
    ASSIGN_OR_RETURN(std::vector<std::string> found,
                     ChildCgroups(hierarchies_->fd(i), path_));
    names.insert(names.end(), std::make_move_iterator(found.begin()),
                 std::make_move_iterator(found.end()));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

absl::StatusOr<Stats> Manager::ReadStats() const {
  ASSIGN_OR_RETURN(const StatsReader reader,
                   StatsReader::For(*hierarchies_, path_));
  return reader.Read();
}

Resources Manager::CpusetInEffect() const {
  Resources found;
  const std::optional<Controller> cpuset = hierarchies_->Find("cpuset");
  if (!cpuset.has_value() || cpuset->version != Version::kV2) return found;
  const auto read = [&](absl::string_view file) -> std::optional<std::string> {
    const absl::StatusOr<std::string> text =
        sys::ReadFileAt(hierarchies_->fd(cpuset->hierarchy),
                        absl::StrCat(path_, "/", file, ".effective"));
    if (!text.ok()) return std::nullopt;
    std::string list(absl::StripAsciiWhitespace(*text));
    return list.empty() ? std::nullopt : std::make_optional(std::move(list));
  };
  found.cpuset_cpus = read("cpuset.cpus");
  found.cpuset_mems = read("cpuset.mems");
  return found;
}

absl::StatusOr<uint64_t> Manager::OomKills() const {
  ASSIGN_OR_RETURN(const StatsReader reader,
                   StatsReader::For(*hierarchies_, path_));
  return reader.OomKills();
}

}  // namespace gantry::cgroup
