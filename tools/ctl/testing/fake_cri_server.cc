#include "tools/ctl/testing/fake_cri_server.h"

#include <grpcpp/grpcpp.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/cri/v1/api.grpc.pb.h"

namespace gantry::ctl::testing {
namespace {

namespace v1 = ::runtime::v1;
using grpc::ServerContext;
// A verb of the service is called Status.
using Result = grpc::Status;

struct Pod {
  v1::PodSandboxConfig config;
  bool ready = true;
};

struct FakeContainer {
  std::string pod;
  v1::ContainerConfig config;
  v1::ContainerStatus status;
};

Result NotFound(const std::string& what) {
  return Result(grpc::StatusCode::NOT_FOUND, what);
}

Result NotSo(const std::string& what) {
  return Result(grpc::StatusCode::FAILED_PRECONDITION, what);
}

// Ids that differ from the first character on.
std::string FakeId(int number) {
  return absl::StrCat(absl::Hex(number, absl::kZeroPad4),
                      std::string(60, 'a' + number % 6));
}

bool Matches(const google::protobuf::Map<std::string, std::string>& wanted,
             const google::protobuf::Map<std::string, std::string>& labels) {
  for (const auto& [key, value] : wanted) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace

struct FakeCriServer::State {
  std::mutex mutex;
  int next = 1;
  std::map<std::string, Pod> pods;
  std::map<std::string, FakeContainer> containers;
  std::map<std::string, std::string> images;  // name to id
  std::string image_info = "{}";
  v1::ExecSyncResponse exec_answer;
  std::string create_error;
  v1::ContainerConfig last_config;
  std::vector<std::string> last_exec;
  std::vector<v1::ContainerEventResponse> events;
  v1::PullImageRequest last_pull;
};

namespace {

// Runs the container's "program".
void Play(FakeContainer& container, const std::string& log_directory) {
  v1::ContainerStatus& status = container.status;
  const auto& args = container.config.args();
  const std::string program = args.empty() ? "sleep" : args[0];
  status.set_state(v1::CONTAINER_RUNNING);
  if (program == "sleep") return;
  status.set_state(v1::CONTAINER_EXITED);
  if (program == "exit") status.set_exit_code(std::stoi(args[1]));
  if (program != "echo") return;
  std::filesystem::create_directories(log_directory);
  std::ofstream log(status.log_path(), std::ios::app);
  log << "2024-01-01T00:00:00.0Z stdout F";
  for (int i = 1; i < args.size(); ++i) log << ' ' << args[i];
  log << '\n';
}

}  // namespace

struct FakeCriServer::Services {
  class Runtime : public v1::RuntimeService::Service {
   public:
    explicit Runtime(State& state) : state_(state) {}

    Result Version(ServerContext*, const v1::VersionRequest*,
                   v1::VersionResponse* response) override {
      response->set_runtime_name("fake");
      response->set_runtime_version("1.2.3");
      response->set_runtime_api_version("v1");
      return Result::OK;
    }

    Result RunPodSandbox(ServerContext*, const v1::RunPodSandboxRequest* in,
                         v1::RunPodSandboxResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      const std::string id = FakeId(state_.next++);
      state_.pods[id].config = in->config();
      out->set_pod_sandbox_id(id);
      return Result::OK;
    }

    Result StopPodSandbox(ServerContext*, const v1::StopPodSandboxRequest* in,
                          v1::StopPodSandboxResponse*) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      const auto pod = state_.pods.find(in->pod_sandbox_id());
      if (pod != state_.pods.end()) pod->second.ready = false;
      for (auto& [id, container] : state_.containers) {
        if (container.pod != in->pod_sandbox_id()) continue;
        container.status.set_state(v1::CONTAINER_EXITED);
      }
      return Result::OK;
    }

    Result RemovePodSandbox(ServerContext*,
                            const v1::RemovePodSandboxRequest* in,
                            v1::RemovePodSandboxResponse*) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      state_.pods.erase(in->pod_sandbox_id());
      std::erase_if(state_.containers, [&](const auto& item) {
        return item.second.pod == in->pod_sandbox_id();
      });
      return Result::OK;
    }

    Result ListPodSandbox(ServerContext*, const v1::ListPodSandboxRequest* in,
                          v1::ListPodSandboxResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      for (const auto& [id, pod] : state_.pods) {
        if (!Matches(in->filter().label_selector(), pod.config.labels())) {
          continue;
        }
        v1::PodSandbox* item = out->add_items();
        item->set_id(id);
        *item->mutable_metadata() = pod.config.metadata();
        item->set_state(pod.ready ? v1::SANDBOX_READY : v1::SANDBOX_NOTREADY);
      }
      return Result::OK;
    }

    Result CreateContainer(ServerContext*, const v1::CreateContainerRequest* in,
                           v1::CreateContainerResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      if (!state_.create_error.empty()) {
        return Result(grpc::StatusCode::INTERNAL, state_.create_error);
      }
      const auto pod = state_.pods.find(in->pod_sandbox_id());
      if (pod == state_.pods.end()) return NotFound("no such pod");
      if (in->sandbox_config().metadata().uid() !=
          pod->second.config.metadata().uid()) {
        return NotSo("the configuration is another pod's");
      }
      const std::string id = FakeId(state_.next++);
      FakeContainer& made = state_.containers[id];
      made.pod = in->pod_sandbox_id();
      made.config = state_.last_config = in->config();
      made.status.set_id(id);
      *made.status.mutable_metadata() = in->config().metadata();
      made.status.set_log_path(absl::StrCat(pod->second.config.log_directory(),
                                            "/", in->config().log_path()));
      out->set_container_id(id);
      return Result::OK;
    }

    Result StartContainer(ServerContext*, const v1::StartContainerRequest* in,
                          v1::StartContainerResponse*) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      const auto found = state_.containers.find(in->container_id());
      if (found == state_.containers.end()) return NotFound("no such one");
      if (found->second.status.state() != v1::CONTAINER_CREATED) {
        return NotSo("it was started before");
      }
      Play(found->second,
           state_.pods[found->second.pod].config.log_directory());
      return Result::OK;
    }

    Result StopContainer(ServerContext*, const v1::StopContainerRequest* in,
                         v1::StopContainerResponse*) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      const auto found = state_.containers.find(in->container_id());
      if (found == state_.containers.end()) return Result::OK;
      found->second.status.set_state(v1::CONTAINER_EXITED);
      found->second.status.set_exit_code(137);
      return Result::OK;
    }

    Result ListPodSandboxStats(ServerContext*,
                               const v1::ListPodSandboxStatsRequest* in,
                               v1::ListPodSandboxStatsResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      for (const auto& [id, pod] : state_.pods) {
        if (!absl::StartsWith(id, in->filter().id())) continue;
        v1::PodSandboxStats* stats = out->add_stats();
        stats->mutable_attributes()->set_id(id);
        *stats->mutable_attributes()->mutable_metadata() =
            pod.config.metadata();
        v1::LinuxPodSandboxStats& used = *stats->mutable_linux();
        used.mutable_cpu()->mutable_usage_nano_cores()->set_value(250'000'000);
        used.mutable_memory()->mutable_working_set_bytes()->set_value(2048);
        used.mutable_process()->mutable_process_count()->set_value(7);
        auto* network = used.mutable_network()->mutable_default_interface();
        network->mutable_rx_bytes()->set_value(4096);
      }
      return Result::OK;
    }

    Result GetContainerEvents(
        ServerContext*, const v1::GetEventsRequest*,
        grpc::ServerWriter<v1::ContainerEventResponse>* writer) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      for (const auto& event : state_.events) writer->Write(event);
      return Result::OK;
    }

    Result RemoveContainer(ServerContext*, const v1::RemoveContainerRequest* in,
                           v1::RemoveContainerResponse*) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      state_.containers.erase(in->container_id());
      return Result::OK;
    }

    Result ContainerStatus(ServerContext*, const v1::ContainerStatusRequest* in,
                           v1::ContainerStatusResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      const auto found = state_.containers.find(in->container_id());
      if (found == state_.containers.end()) return NotFound("no such one");
      *out->mutable_status() = found->second.status;
      if (in->verbose()) (*out->mutable_info())["info"] = R"({"pid":7})";
      return Result::OK;
    }

    Result ListContainers(ServerContext*, const v1::ListContainersRequest* in,
                          v1::ListContainersResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      const v1::ContainerFilter& filter = in->filter();
      for (const auto& [id, from] : state_.containers) {
        if (filter.has_state() &&
            filter.state().state() != from.status.state()) {
          continue;
        }
        if (!absl::StartsWith(from.pod, filter.pod_sandbox_id())) continue;
        if (!Matches(filter.label_selector(), from.config.labels())) continue;
        v1::Container* item = out->add_containers();
        item->set_id(id);
        item->set_pod_sandbox_id(from.pod);
        *item->mutable_metadata() = from.config.metadata();
        *item->mutable_image() = from.config.image();
        item->set_state(from.status.state());
        *item->mutable_labels() = from.config.labels();
      }
      return Result::OK;
    }

    Result ListContainerStats(ServerContext*,
                              const v1::ListContainerStatsRequest* in,
                              v1::ListContainerStatsResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      for (const auto& [id, container] : state_.containers) {
        if (!absl::StartsWith(id, in->filter().id())) continue;
        out->add_stats()->mutable_attributes()->set_id(id);
      }
      return Result::OK;
    }

    Result ExecSync(ServerContext*, const v1::ExecSyncRequest* in,
                    v1::ExecSyncResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      state_.last_exec.assign(in->cmd().begin(), in->cmd().end());
      const auto found = state_.containers.find(in->container_id());
      if (found != state_.containers.end() &&
          found->second.status.state() == v1::CONTAINER_EXITED) {
        return NotSo("it has ended");
      }
      *out = state_.exec_answer;
      return Result::OK;
    }

   private:
    State& state_;
  };

  class Image : public v1::ImageService::Service {
   public:
    explicit Image(State& state) : state_(state) {}

    Result ListImages(ServerContext*, const v1::ListImagesRequest*,
                      v1::ListImagesResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      for (const auto& [name, id] : state_.images) {
        v1::Image* image = out->add_images();
        image->set_id(id);
        image->add_repo_tags(name);
        image->set_size(2048);
      }
      return Result::OK;
    }

    Result ImageStatus(ServerContext*, const v1::ImageStatusRequest* in,
                       v1::ImageStatusResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      for (const auto& [name, id] : state_.images) {
        if (in->image().image() != name && in->image().image() != id) continue;
        out->mutable_image()->set_id(id);
        out->mutable_image()->add_repo_tags(name);
        if (in->verbose()) (*out->mutable_info())["info"] = state_.image_info;
      }
      return Result::OK;
    }

    Result PullImage(ServerContext*, const v1::PullImageRequest* in,
                     v1::PullImageResponse* out) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      state_.last_pull = *in;
      out->set_image_ref("sha256:pulled");
      return Result::OK;
    }

    Result RemoveImage(ServerContext*, const v1::RemoveImageRequest* in,
                       v1::RemoveImageResponse*) override {
      const std::lock_guard<std::mutex> lock(state_.mutex);
      std::erase_if(state_.images, [&](const auto& item) {
        return item.second == in->image().image();
      });
      return Result::OK;
    }

   private:
    State& state_;
  };

  explicit Services(State& state) : runtime(state), image(state) {}

  Runtime runtime;
  Image image;
  FakeAdmin admin;
  std::unique_ptr<grpc::Server> server;
};

FakeCriServer::FakeCriServer()
    : directory_("/tmp/fake-cri.XXXXXX"),
      state_(std::make_unique<State>()),
      services_(std::make_unique<Services>(*state_)) {
  if (mkdtemp(directory_.data()) == nullptr) abort();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", socket_path()),
                           grpc::InsecureServerCredentials());
  builder.RegisterService(&services_->runtime);
  builder.RegisterService(&services_->image);
  builder.RegisterService(&services_->admin);
  services_->server = builder.BuildAndStart();
}

FakeCriServer::~FakeCriServer() {
  services_->server->Shutdown(std::chrono::system_clock::now());
  services_->server->Wait();
  std::filesystem::remove_all(directory_);
}

void FakeCriServer::AddImage(const std::string& name, const std::string& id) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->images[name] = id;
}

void FakeCriServer::SetImageInfo(const std::string& json) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->image_info = json;
}

void FakeCriServer::SetExecAnswer(const v1::ExecSyncResponse& answer) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->exec_answer = answer;
}

void FakeCriServer::AddEvent(const v1::ContainerEventResponse& event) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->events.push_back(event);
}

void FakeCriServer::FailCreate(const std::string& message) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->create_error = message;
}

size_t FakeCriServer::pods() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->pods.size();
}

size_t FakeCriServer::containers() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->containers.size();
}

v1::ContainerConfig FakeCriServer::last_config() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->last_config;
}

std::vector<std::string> FakeCriServer::last_exec() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->last_exec;
}

v1::PullImageRequest FakeCriServer::last_pull() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->last_pull;
}

FakeAdmin& FakeCriServer::admin() { return services_->admin; }

}  // namespace gantry::ctl::testing
