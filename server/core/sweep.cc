#include "server/core/sweep.h"

#include <fcntl.h>
#include <signal.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/systemd/unit_names.h"
#include "runtime/sys/file.h"
#include "server/core/cgroups.h"
#include "server/core/container_steps.h"
#include "server/core/pod_steps.h"
#include "server/shim/shim_client.h"

namespace gantry::core {
namespace {

constexpr absl::Duration kShimPatience = absl::Seconds(5);

// Has a shim that nobody knows kill its container and end.
work::Task<void> EndByShim(Node& node, std::string id) {
  absl::StatusOr<UniqueFd> run = sys::OpenAt(
      AT_FDCWD, node.paths.ContainerRun(id), O_RDONLY | O_DIRECTORY);
  if (!run.ok()) co_return;
  absl::StatusOr<std::unique_ptr<shim_client::ShimClient>> shim =
      co_await shim_client::ShimClient::Connect(node.loop, node.executor,
                                                run->get());
  if (!shim.ok()) co_return;
  LOG(WARNING) << "container " << id << " has no record: it is ended";
  absl::Status killed = co_await (*shim)->Signal(SIGKILL, /*all=*/true);
  absl::Status gone = co_await (*shim)->WaitGone(kShimPatience);
  LOG_IF(ERROR, !gone.ok())
      << "container " << id << ": " << killed << "; " << gone;
}

absl::Status RemoveBelow(const std::string& directory, const std::string& id) {
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY));
  return sys::RemoveTreeAt(fd.get(), id);
}

absl::Status MoveAside(const Node& node, const std::string& directory,
                       const std::string& id) {
  const std::string damaged = absl::StrCat(node.paths.root(), "/damaged");
  RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, damaged, 0700));
  return sys::RenameAt(
      AT_FDCWD, absl::StrCat(directory, "/", id), AT_FDCWD,
      absl::StrCat(damaged, "/", id, "-", node.clock.UnixNanos()));
}

// Wherever the pod's cgroup may be: as its run directory says, or one of its
// containers, or the place where it is unless a client chose another.
std::set<std::string> CgroupsOfLostPod(Node& node, const std::string& id) {
  std::set<std::string> paths = {
      absl::StrCat(kDefaultCgroupParent, "/", id),
      cgroup::systemd::PodSlicePath(kDefaultParentSlice, id)};
  absl::StatusOr<std::string> noted = sys::ReadFileAt(
      AT_FDCWD, absl::StrCat(node.paths.PodRun(id), "/", kCgroupFile));
  if (noted.ok()) paths.insert(*noted);
  for (const ContainerPtr& container : ContainersOf(node, id)) {
    paths.insert(PodCgroupOf(container->spec().cgroup_path()));
  }
  // Never that of anything but the pod.
  std::erase_if(paths, [&id](const std::string& path) {
    return !absl::EndsWith(path, absl::StrCat("/", id)) &&
           !absl::EndsWith(path, absl::StrCat("-", id, ".slice"));
  });
  return paths;
}

work::Task<absl::Status> EndContainerOfLostPod(Node& node,
                                               ContainerPtr container) {
  const std::string id = container->id();
  if (container->spec().pause()) co_return co_await RemoveContainer(node, id);
  if (container->state() != record::ContainerRecord::RUNNING) {
    co_return absl::OkStatus();
  }
  absl::Status killed = co_await KillContainer(node, id);
  CO_RETURN_IF_ERROR(killed);
  co_return co_await NoteInRecord(node, id, [](record::ContainerRecord& ended) {
    ended.set_message("the record of its pod cannot be read");
  });
}

void Report(const char* what, const std::string& id, absl::Status status) {
  LOG_IF(ERROR, !status.ok()) << what << " " << id << ": " << status;
}

// The names below `directory` that are ids and not in `index`.
template <typename Index>
std::vector<std::string> Unknown(const std::string& directory,
                                 const Index& index) {
  std::vector<std::string> unknown;
  absl::StatusOr<std::vector<sys::DirEntry>> entries =
      sys::ListDirAt(AT_FDCWD, directory);
  if (!entries.ok()) return unknown;
  for (const sys::DirEntry& entry : *entries) {
    if (IsId(entry.name) && !index.Get(entry.name).ok()) {
      unknown.push_back(entry.name);
    }
  }
  return unknown;
}

work::Task<void> RemoveCgroups(Node& node, std::string id,
                               std::set<std::string> paths) {
  for (const std::string& path : paths) {
    absl::Status removed = co_await KillRemains(node, path);
    Report("remove the cgroup of pod", id, std::move(removed));
  }
}

absl::Status RemovePodRun(Node& node, const std::string& id) {
  RETURN_IF_ERROR(UnpinNamespaces(node, id));
  return RemoveBelow(node.paths.PodRuns(), id);
}

}  // namespace

work::Task<void> SetAsideContainer(Node& node, std::string id) {
  co_await EndByShim(node, id);
  Report("set aside container", id,
         MoveAside(node, node.paths.ContainerRecords(), id));
}

work::Task<void> EndLostPod(Node& node, std::string id) {
  LOG(WARNING) << "pod " << id << " has no readable record: it is ended";
  const std::set<std::string> cgroups = CgroupsOfLostPod(node, id);
  for (ContainerPtr& container : ContainersOf(node, id)) {
    const std::string container_id = container->id();
    absl::Status ended =
        co_await EndContainerOfLostPod(node, std::move(container));
    Report("end container", container_id, std::move(ended));
  }
  co_await RemoveCgroups(node, id, cgroups);
}

work::Task<void> SetAsidePod(Node& node, std::string id) {
  Report("set aside pod", id, MoveAside(node, node.paths.PodRecords(), id));
  co_return;
}

work::Task<void> SweepOrphans(Node& node) {
  for (const std::string& id :
       Unknown(node.paths.ContainerRuns(), node.containers)) {
    co_await EndByShim(node, id);
    Report("sweep container", id, RemoveBelow(node.paths.ContainerRuns(), id));
  }
  for (const std::string& id :
       Unknown(node.paths.ContainerRecords(), node.containers)) {
    Report("sweep the writable layer of container", id,
           RemoveBelow(node.paths.ContainerRecords(), id));
  }
  for (const std::string& id : Unknown(node.paths.PodRuns(), node.pods)) {
    co_await RemoveCgroups(node, id, CgroupsOfLostPod(node, id));
    Report("sweep pod", id, RemovePodRun(node, id));
  }
  for (const std::string& id : Unknown(node.paths.PodRecords(), node.pods)) {
    Report("sweep the record of pod", id,
           RemoveBelow(node.paths.PodRecords(), id));
  }
  co_await SweepUnits(node);
}

}  // namespace gantry::core
