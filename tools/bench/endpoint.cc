#include "tools/bench/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/bench/floor_child.h"
#include "tools/ctl/error_text.h"

namespace gantry::bench {
namespace {

namespace v1 = ctl::v1;

constexpr char kLabel[] = "gantry-bench.run";
constexpr absl::Duration kLimit = absl::Seconds(30);

}  // namespace

absl::StatusOr<std::unique_ptr<RunMark>> RunMark::Make(
    const std::string& scratch) {
  std::unique_ptr<RunMark> mark(new RunMark());
  mark->id_ = NewId().substr(0, 16);
  mark->scratch_ = scratch;
  std::string name = absl::StrCat(scratch, "/gantry-bench-logs.XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    return ErrnoStatus(errno, absl::StrCat("make a directory in ", scratch));
  }
  mark->log_directory_ = name;
  return mark;
}

RunMark::~RunMark() {
  if (log_directory_.empty()) return;
  const absl::StatusOr<UniqueFd> parent =
      sys::OpenAt(AT_FDCWD, scratch_, O_PATH | O_DIRECTORY);
  if (!parent.ok()) return;
  sys::RemoveTreeAt(parent->get(),
                    log_directory_.substr(log_directory_.rfind('/') + 1))
      .IgnoreError();
}

Endpoint::Endpoint(EndpointOptions options, const RunMark& mark)
    : options_(std::move(options)), mark_(mark) {}

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Connect(
    const EndpointOptions& options, const RunMark& mark) {
  std::unique_ptr<Endpoint> endpoint(new Endpoint(options, mark));
  ASSIGN_OR_RETURN(endpoint->client_, ctl::Client::For(options.socket));
  endpoint->client_->SetLimit(kLimit);
  RETURN_IF_ERROR(endpoint->Greet());
  return endpoint;
}

absl::Status Endpoint::Greet() {
  ASSIGN_OR_RETURN(v1::VersionResponse version,
                   client_->Call(v1::VersionRequest()));
  server_ =
      absl::StrCat(version.runtime_name(), " ", version.runtime_version());
  v1::ImageStatusRequest request;
  request.mutable_image()->set_image(options_.image);
  ASSIGN_OR_RETURN(v1::ImageStatusResponse image, client_->Call(request));
  if (image.has_image()) return absl::OkStatus();
  return ctl::WithHint(
      absl::NotFoundError(
          absl::StrCat("image ", options_.image, " is not on the node")),
      "give one that is by --image, or fetch it: gantryctl pull, load");
}

v1::PodSandboxConfig Endpoint::PodConfig(int number) const {
  v1::PodSandboxConfig config;
  config.mutable_metadata()->set_name(absl::StrCat("bench-", number));
  config.mutable_metadata()->set_namespace_("gantry-bench");
  config.mutable_metadata()->set_uid(absl::StrCat(mark_.id(), "-", number));
  if (!options_.host_network) config.set_hostname("bench");
  config.set_log_directory(mark_.log_directory());
  (*config.mutable_labels())[kLabel] = mark_.id();
  v1::NamespaceOption* namespaces = config.mutable_linux()
                                        ->mutable_security_context()
                                        ->mutable_namespace_options();
  namespaces->set_network(options_.host_network ? v1::NODE : v1::POD);
  namespaces->set_pid(options_.pod_pid ? v1::POD : v1::CONTAINER);
  return config;
}

v1::ContainerConfig Endpoint::ContainerConfig() const {
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name("main");
  config.mutable_image()->set_image(options_.image);
  for (const std::string& word : options_.command) config.add_command(word);
  v1::NamespaceOption* namespaces = config.mutable_linux()
                                        ->mutable_security_context()
                                        ->mutable_namespace_options();
  namespaces->set_network(options_.host_network ? v1::NODE : v1::POD);
  namespaces->set_pid(options_.pod_pid ? v1::POD : v1::CONTAINER);
  return config;
}

template <typename Response, typename Request>
absl::StatusOr<Response> Endpoint::Timed(const char* name,
                                         const Request& request, Life* life) {
  const int64_t start = MonotonicNanos();
  absl::StatusOr<Response> response = client_->Call(request);
  life->steps.emplace_back(name, MonotonicNanos() - start);
  if (!response.ok()) return Annotate(response.status(), name);
  return response;
}

absl::Status Endpoint::RunPod(int number, Life* life) {
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = PodConfig(number);
  ASSIGN_OR_RETURN(
      v1::RunPodSandboxResponse pod,
      Timed<v1::RunPodSandboxResponse>("RunPodSandbox", run, life));
  pod_id_ = pod.pod_sandbox_id();
  return absl::OkStatus();
}

absl::Status Endpoint::EndPod(Life* life) {
  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(pod_id_);
  RETURN_IF_ERROR(
      Timed<v1::StopPodSandboxResponse>("StopPodSandbox", stop, life).status());
  v1::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(pod_id_);
  return Timed<v1::RemovePodSandboxResponse>("RemovePodSandbox", remove, life)
      .status();
}

absl::Status Endpoint::Begin(int number, Life* life) {
  RETURN_IF_ERROR(RunPod(number, life));
  v1::CreateContainerRequest create;
  *create.mutable_sandbox_config() = PodConfig(number);
  *create.mutable_config() = ContainerConfig();
  create.mutable_config()->set_log_path(absl::StrCat(number, ".log"));
  create.set_pod_sandbox_id(pod_id_);
  ASSIGN_OR_RETURN(
      v1::CreateContainerResponse container,
      Timed<v1::CreateContainerResponse>("CreateContainer", create, life));
  container_id_ = container.container_id();
  v1::StartContainerRequest start;
  start.set_container_id(container_id_);
  return Timed<v1::StartContainerResponse>("StartContainer", start, life)
      .status();
}

absl::Status Endpoint::Ask(Life* life) {
  v1::ContainerStatusRequest status;
  status.set_container_id(container_id_);
  ASSIGN_OR_RETURN(
      v1::ContainerStatusResponse now,
      Timed<v1::ContainerStatusResponse>("ContainerStatus", status, life));
  if (now.status().state() != v1::CONTAINER_RUNNING) {
    return absl::InternalError("the container does not run after its start");
  }
  v1::ListContainersRequest list;
  list.mutable_filter()->set_pod_sandbox_id(pod_id_);
  RETURN_IF_ERROR(
      Timed<v1::ListContainersResponse>("ListContainers", list, life).status());
  return Timed<v1::VersionResponse>("Version", v1::VersionRequest(), life)
      .status();
}

absl::Status Endpoint::End(Life* life) {
  v1::ExecSyncRequest exec;
  exec.set_container_id(container_id_);
  exec.add_cmd("true");
  exec.set_timeout(20);
  ASSIGN_OR_RETURN(v1::ExecSyncResponse ran,
                   Timed<v1::ExecSyncResponse>("ExecSync(true)", exec, life));
  if (ran.exit_code() != 0) {
    return absl::InternalError(
        absl::StrCat("true ended with ", ran.exit_code()));
  }
  // At once: how long a program takes to end is not the runtime's affair.
  v1::StopContainerRequest stop;
  stop.set_container_id(container_id_);
  RETURN_IF_ERROR(
      Timed<v1::StopContainerResponse>("StopContainer", stop, life).status());
  v1::RemoveContainerRequest remove;
  remove.set_container_id(container_id_);
  RETURN_IF_ERROR(
      Timed<v1::RemoveContainerResponse>("RemoveContainer", remove, life)
          .status());
  return EndPod(life);
}

absl::StatusOr<Life> Endpoint::WholeLife(int number) {
  Life life;
  RETURN_IF_ERROR(Begin(number, &life)) << "life " << number;
  for (const auto& step : life.steps) life.pod_to_running += step.second;
  life.whole = life.pod_to_running;
  RETURN_IF_ERROR(Ask(&life)) << "life " << number;
  const size_t before_end = life.steps.size();
  RETURN_IF_ERROR(End(&life)) << "life " << number;
  for (size_t i = before_end; i < life.steps.size(); ++i) {
    life.whole += life.steps[i].second;
  }
  return life;
}

absl::StatusOr<Life> Endpoint::PodLife(int number) {
  Life life;
  RETURN_IF_ERROR(RunPod(number, &life)) << "life " << number;
  RETURN_IF_ERROR(EndPod(&life)) << "life " << number;
  for (const auto& step : life.steps) life.whole += step.second;
  return life;
}

absl::Status Endpoint::RemoveAll() {
  v1::ListPodSandboxRequest request;
  (*request.mutable_filter()->mutable_label_selector())[kLabel] = mark_.id();
  ASSIGN_OR_RETURN(v1::ListPodSandboxResponse pods, client_->Call(request),
                   "remove what the run made");
  absl::Status first;
  for (const v1::PodSandbox& pod : pods.items()) {
    v1::StopPodSandboxRequest stop;
    stop.set_pod_sandbox_id(pod.id());
    const absl::Status stopped = client_->Call(stop).status();
    v1::RemovePodSandboxRequest remove;
    remove.set_pod_sandbox_id(pod.id());
    const absl::Status removed = client_->Call(remove).status();
    if (removed.ok()) continue;
    first.Update(Annotate(stopped.ok() ? removed : stopped,
                          absl::StrCat("remove pod ", pod.id())));
  }
  return first;
}

}  // namespace gantry::bench
