#include "server/core/sweep.h"

#include <fcntl.h>
#include <signal.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/sys/file.h"
#include "server/core/pod_steps.h"
#include "server/shim/shim_client.h"

namespace gantry::core {
namespace {

constexpr std::chrono::milliseconds kCgroupPatience{5000};
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

absl::Status RemoveCgroup(Node& node, const std::string& path) {
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(node.cgroups, path));
  RETURN_IF_ERROR(cgroup.Kill());
  return cgroup.Remove(kCgroupPatience);
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

work::Task<void> SetAsidePod(Node& node, std::string id) {
  Report("remove the cgroup of pod", id,
         RemoveCgroup(node, absl::StrCat(kDefaultCgroupParent, "/", id)));
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
    Report("sweep pod", id, RemovePodRun(node, id));
  }
  for (const std::string& id : Unknown(node.paths.PodRecords(), node.pods)) {
    Report("sweep the record of pod", id,
           RemoveBelow(node.paths.PodRecords(), id));
  }
}

}  // namespace gantry::core
