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
#include "tools/bench/parallel_for.h"
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

std::vector<std::string> RunMark::UniqueSleep() const {
  uint32_t number = 0;
  for (const char digit : id_) number = number * 31 + digit;
  // What sleep takes fits into 31 bits.
  return {"sleep", absl::StrCat(1'000'000'000 + number % 1'000'000'000)};
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

v1::ContainerConfig Endpoint::ContainerConfig(int number) const {
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name(absl::StrCat("c", number));
  config.set_log_path(absl::StrCat(number, ".log"));
  (*config.mutable_labels())[kLabel] = mark_.id();
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

absl::StatusOr<std::string> Endpoint::RunPod(int number, Life* life) {
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = PodConfig(number);
  ASSIGN_OR_RETURN(
      v1::RunPodSandboxResponse pod,
      Timed<v1::RunPodSandboxResponse>("RunPodSandbox", run, life));
  return pod.pod_sandbox_id();
}

absl::StatusOr<std::string> Endpoint::CreateContainer(const std::string& pod,
                                                      int pod_number,
                                                      int number, Life* life) {
  v1::CreateContainerRequest create;
  *create.mutable_sandbox_config() = PodConfig(pod_number);
  *create.mutable_config() = ContainerConfig(number);
  create.set_pod_sandbox_id(pod);
  ASSIGN_OR_RETURN(
      v1::CreateContainerResponse container,
      Timed<v1::CreateContainerResponse>("CreateContainer", create, life));
  return container.container_id();
}

absl::Status Endpoint::StartContainer(const std::string& container,
                                      Life* life) {
  v1::StartContainerRequest start;
  start.set_container_id(container);
  return Timed<v1::StartContainerResponse>("StartContainer", start, life)
      .status();
}

absl::Status Endpoint::Ask(const std::string& pod, const std::string& container,
                           Life* life) {
  v1::ContainerStatusRequest status;
  status.set_container_id(container);
  ASSIGN_OR_RETURN(
      v1::ContainerStatusResponse now,
      Timed<v1::ContainerStatusResponse>("ContainerStatus", status, life));
  if (now.status().state() != v1::CONTAINER_RUNNING) {
    return absl::InternalError("the container does not run after its start");
  }
  v1::ListContainersRequest list;
  list.mutable_filter()->set_pod_sandbox_id(pod);
  RETURN_IF_ERROR(
      Timed<v1::ListContainersResponse>("ListContainers", list, life).status());
  return Timed<v1::VersionResponse>("Version", v1::VersionRequest(), life)
      .status();
}

absl::Status Endpoint::ExecTrue(const std::string& container, Life* life) {
  v1::ExecSyncRequest exec;
  exec.set_container_id(container);
  exec.add_cmd("true");
  exec.set_timeout(20);
  ASSIGN_OR_RETURN(v1::ExecSyncResponse ran,
                   Timed<v1::ExecSyncResponse>("ExecSync(true)", exec, life));
  if (ran.exit_code() == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("true ended with ", ran.exit_code()));
}

absl::Status Endpoint::StopContainer(const std::string& container, Life* life) {
  v1::StopContainerRequest stop;
  stop.set_container_id(container);
  return Timed<v1::StopContainerResponse>("StopContainer", stop, life).status();
}

absl::Status Endpoint::RemoveContainer(const std::string& container,
                                       Life* life) {
  v1::RemoveContainerRequest remove;
  remove.set_container_id(container);
  return Timed<v1::RemoveContainerResponse>("RemoveContainer", remove, life)
      .status();
}

absl::Status Endpoint::StopPod(const std::string& pod, Life* life) {
  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(pod);
  return Timed<v1::StopPodSandboxResponse>("StopPodSandbox", stop, life)
      .status();
}

absl::Status Endpoint::RemovePod(const std::string& pod, Life* life) {
  v1::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(pod);
  return Timed<v1::RemovePodSandboxResponse>("RemovePodSandbox", remove, life)
      .status();
}

absl::StatusOr<Life> Endpoint::LiveOnce(int number) {
  Life life;
  ASSIGN_OR_RETURN(const std::string pod, RunPod(number, &life));
  ASSIGN_OR_RETURN(const std::string container,
                   CreateContainer(pod, number, number, &life));
  RETURN_IF_ERROR(StartContainer(container, &life));
  for (const auto& step : life.steps) life.pod_to_running += step.second;
  life.whole = life.pod_to_running;
  RETURN_IF_ERROR(Ask(pod, container, &life));
  const size_t before_end = life.steps.size();
  RETURN_IF_ERROR(ExecTrue(container, &life));
  RETURN_IF_ERROR(StopContainer(container, &life));
  RETURN_IF_ERROR(RemoveContainer(container, &life));
  RETURN_IF_ERROR(StopPod(pod, &life));
  RETURN_IF_ERROR(RemovePod(pod, &life));
  for (size_t i = before_end; i < life.steps.size(); ++i) {
    life.whole += life.steps[i].second;
  }
  return life;
}

absl::StatusOr<Life> Endpoint::WholeLife(int number) {
  ASSIGN_OR_RETURN(Life life, LiveOnce(number), absl::StrCat("life ", number));
  return life;
}

absl::StatusOr<Life> Endpoint::PodLife(int number) {
  Life life;
  const std::string which = absl::StrCat("life ", number);
  ASSIGN_OR_RETURN(const std::string pod, RunPod(number, &life), which);
  RETURN_IF_ERROR(StopPod(pod, &life)) << which;
  RETURN_IF_ERROR(RemovePod(pod, &life)) << which;
  for (const auto& step : life.steps) life.whole += step.second;
  return life;
}

std::string Endpoint::LogPath(int number) const {
  return absl::StrCat(mark_.log_directory(), "/", number, ".log");
}

std::pair<std::string, std::string> Endpoint::Label() const {
  return {kLabel, mark_.id()};
}

absl::Status Endpoint::RemoveOne(const std::string& pod) {
  Life unused;
  const absl::Status stopped = StopPod(pod, &unused);
  const absl::Status removed = RemovePod(pod, &unused);
  if (removed.ok()) return removed;
  return Annotate(stopped.ok() ? removed : stopped,
                  absl::StrCat("remove pod ", pod));
}

absl::Status Endpoint::RemoveAll(int at_once) {
  v1::ListPodSandboxRequest request;
  (*request.mutable_filter()->mutable_label_selector())[kLabel] = mark_.id();
  ASSIGN_OR_RETURN(v1::ListPodSandboxResponse pods, client_->Call(request),
                   "remove what the run made");
  std::vector<absl::Status> statuses(static_cast<size_t>(pods.items_size()));
  // One that cannot be removed keeps none of the others.
  const auto remove = [&](int, int index) {
    statuses[index] = RemoveOne(pods.items(index).id());
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ParallelFor(
      at_once, pods.items_size(), [] { return true; }, remove));
  for (const absl::Status& status : statuses) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

}  // namespace gantry::bench
