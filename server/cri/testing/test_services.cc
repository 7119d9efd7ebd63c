#include "server/cri/testing/test_services.h"

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/clock.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/http/client.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::cri::testing {
namespace {

// Dies with the reason: a test cannot go on without its parts.
template <typename T>
T OrDie(absl::StatusOr<T> value) {
  CHECK(value.ok()) << value.status();
  return *std::move(value);
}

class NoNetwork : public http::Client {
 public:
  absl::StatusOr<std::unique_ptr<http::Response>> Send(
      const http::Request& /*request*/) override {
    return absl::PermissionDeniedError("there is no network in this test");
  }
};

// Streams are served by nobody.
class FixedUrls : public core::StreamUrls {
 public:
  absl::StatusOr<std::string> UrlFor(core::StreamRequest request) override {
    return absl::StrCat("http://localhost/", request.index());
  }
};

cgroup::Hierarchies FakeCgroups(const std::string& directory) {
  CHECK(sys::MkdirAllAt(AT_FDCWD, directory + "/memory", 0700).ok());
  UniqueFd fd = OrDie(sys::OpenAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY));
  cgroup::Layout layout;
  layout.hierarchies.push_back(
      {cgroup::Version::kV1, "/memory", "/", {"memory"}});
  return OrDie(cgroup::Hierarchies::Open(layout, fd.get()));
}

std::unique_ptr<image::ImageStore> OpenImages(const core::Paths& paths) {
  CHECK(sys::MkdirAllAt(AT_FDCWD, paths.Images(), 0700).ok());
  UniqueFd fd =
      OrDie(sys::OpenAt(AT_FDCWD, paths.Images(), O_RDONLY | O_DIRECTORY));
  return OrDie(image::ImageStore::Open(fd.get(), /*in_use=*/nullptr));
}

}  // namespace

struct TestServices::Parts {
  Parts()
      : paths(dir.path() + "/root", dir.path() + "/run"),
        cgroups(FakeCgroups(dir.path() + "/cgroup")),
        pod_records(OrDie(state::RecordStore::OpenPath(
            paths.PodRecords(), sys::Durability::kCrash))),
        container_records(OrDie(state::RecordStore::OpenPath(
            paths.ContainerRecords(), sys::Durability::kCrash))),
        image_store(OpenImages(paths)),
        snapshotter(OrDie(rootfs::Snapshotter::Open(
            paths.root(), paths.Images() + "/layers"))),
        loop(OrDie(work::LoopThread::Start("loop", executor))),
        // Any program will do: none is started.
        launcher(OrDie(shim_client::Launcher::Create(
            OrDie(sys::ReadlinkAt(AT_FDCWD, "/proc/self/exe")), *loop,
            executor))),
        node{.paths = paths,
             .clock = RealClock(),
             .boot_id = "a boot",
             .cgroups = cgroups,
             .host_facts = host_facts,
             .seccomp = seccomp,
             .loop = *loop,
             .executor = executor,
             .blocking_executor = blocking_executor,
             .network_executor = blocking_executor,
             .tasks = tasks,
             .name_locks = name_locks,
             .pod_locks = pod_locks,
             .record_locks = record_locks,
             .pod_records = *pod_records,
             .container_records = *container_records,
             .pods = pods,
             .containers = containers,
             .network = network,
             .pod_cidr = pod_cidr,
             .launcher = *launcher,
             .shims = shims,
             .images = *image_store,
             .snapshotter = *snapshotter,
             .events = events,
             .degraded = degraded,
             .exits = exits} {}

  sys::testing::TempDir dir;
  core::Paths paths;
  cgroup::Hierarchies cgroups;
  plan::HostFacts host_facts;
  plan::SeccompCache seccomp;
  core::DegradedFeatures degraded;
  core::EventBus events;
  core::PodIndex pods{"pod"};
  core::ContainerIndex containers{"container"};
  std::unique_ptr<state::RecordStore> pod_records;
  std::unique_ptr<state::RecordStore> container_records;
  std::unique_ptr<image::ImageStore> image_store;
  std::unique_ptr<rootfs::Snapshotter> snapshotter;
  NoNetwork http;
  net::NoPodNetwork network;
  absl::Status pod_cidr_problem;
  core::PodCidr pod_cidr{
      OrDie(sys::OpenAt(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY)),
      &pod_cidr_problem};
  work::TaskScope tasks;
  work::Executor executor{"core", 2};
  work::Executor blocking_executor{"blocking", 2};
  work::KeyedLock name_locks{executor};
  work::KeyedLock pod_locks{executor};
  work::KeyedLock record_locks{executor};
  std::unique_ptr<work::LoopThread> loop;
  core::Exits exits{executor};
  std::unique_ptr<shim_client::Launcher> launcher;
  core::Shims shims;
  core::Node node;
  core::ContainerService container_service{node};
  core::PodService pod_service{node, container_service};
  core::ExecService exec{node};
  core::StatsService stats{node};
  core::ImageService images{
      node, http, image::RegistryOptions(), image::UnpackLimits(), 1, 1};
  core::StreamService streams{node};
  FixedUrls urls;
  core::StartProgress start;
  Services services{node,
                    pod_service,
                    container_service,
                    exec,
                    stats,
                    images,
                    streams,
                    urls,
                    start,
                    HostAbilities(),
                    ServerFacts{.config_json = "{}", .kernel = "test"}};
};

TestServices::TestServices() : parts_(std::make_unique<Parts>()) {}

TestServices::~TestServices() {
  parts_->tasks.WaitIdle(absl::InfiniteDuration());
}

Services& TestServices::get() { return parts_->services; }
core::Node& TestServices::node() { return parts_->node; }
core::StartProgress& TestServices::start() { return parts_->start; }

}  // namespace gantry::cri::testing
