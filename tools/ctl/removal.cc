#include "tools/ctl/removal.h"

#include <fcntl.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "tools/ctl/format.h"
#include "tools/ctl/run_request.h"

namespace gantry::ctl {
namespace {

// The log file and its directory, if nothing else is in it. Rotated logs are
// somebody else's and keep the directory.
void RemoveLog(const std::string& log_path) {
  if (log_path.empty()) return;
  sys::UnlinkAt(AT_FDCWD, log_path).IgnoreError();
  sys::RmdirAt(AT_FDCWD, log_path.substr(0, log_path.rfind('/'))).IgnoreError();
}

}  // namespace

absl::Status RemovePod(Client& client, const std::string& pod_id) {
  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(pod_id);
  // Remove stops by force: what Stop says matters only if Remove fails too.
  const absl::Status stopped = client.Call(stop).status();
  v1::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(pod_id);
  const absl::Status removed = client.Call(remove).status();
  if (removed.ok()) return removed;
  return Annotate(stopped.ok() ? removed : stopped,
                  absl::StrCat("remove pod ", ShortId(pod_id)));
}

absl::Status RemoveRun(Client& client, const std::string& uid,
                       const std::string& log_path) {
  v1::ListPodSandboxRequest request;
  (*request.mutable_filter()->mutable_label_selector())[kRunLabel] = uid;
  ASSIGN_OR_RETURN(v1::ListPodSandboxResponse pods, client.Call(request));
  absl::Status first;
  for (const v1::PodSandbox& pod : pods.items()) {
    first.Update(RemovePod(client, pod.id()));
  }
  if (first.ok()) RemoveLog(log_path);
  return first;
}

absl::Status RemoveContainer(Client& client, const v1::Container& container) {
  v1::ContainerStatusRequest request;
  request.set_container_id(container.id());
  std::string log_path;
  const auto status = client.Call(request);
  if (status.ok()) log_path = status->status().log_path();
  v1::RemoveContainerRequest remove;
  remove.set_container_id(container.id());
  RETURN_IF_ERROR(client.Call(remove))
      << "remove container " << ShortId(container.id());
  const auto label = container.labels().find(kRunLabel);
  if (label == container.labels().end()) return absl::OkStatus();
  return RemoveRun(client, label->second, log_path);
}

}  // namespace gantry::ctl
