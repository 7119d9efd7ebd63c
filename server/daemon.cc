#include "server/daemon.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "proto/spec.pb.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/systemd/sd_bus.h"
#include "runtime/cgroup/systemd/units.h"
#include "runtime/http/curl_client.h"
#include "runtime/state/boot_id.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"
#include "runtime/sys/lock_file.h"
#include "server/cgroup_driver.h"
#include "server/config_json.h"
#include "server/core/cgroups.h"
#include "server/core/recovery.h"
#include "server/core/start_progress.h"
#include "server/core/step_log.h"
#include "server/cri/services.h"
#include "server/cri/version.h"
#include "server/grpc_server.h"
#include "server/host.h"
#include "server/kernel.h"
#include "server/layer_labels.h"
#include "server/metrics/address.h"
#include "server/metrics/endpoint.h"
#include "server/metrics/metrics.h"
#include "server/pod_network.h"
#include "server/run_mount.h"
#include "server/stores.h"
#include "server/streaming/stream_server.h"
#include "server/user_namespaces.h"
#include "server/work/thread.h"

namespace gantry::server {
namespace {

constexpr mode_t kPrivateDirectory = 0700;
constexpr absl::string_view kLockFile = "lock";
constexpr absl::Duration kLockPatience = absl::Seconds(2);
constexpr absl::Duration kLockPause = absl::Milliseconds(10);
// For a cgroup that nobody is in.
constexpr std::chrono::milliseconds kCgroupPatience{1000};
// For gRPC to end streams once their time is over.
constexpr absl::Duration kShutdownSlack = absl::Seconds(1);

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, path, kPrivateDirectory));
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  // Whatever the umask, or whoever made it.
  if (::fchmod(fd.get(), kPrivateDirectory) != 0) {
    return ErrnoStatus(errno, absl::StrCat("change the mode of ", path));
  }
  return fd;
}

// False also for one that cannot be read.
bool IsEmpty(const std::string& directory) {
  absl::StatusOr<std::vector<sys::DirEntry>> entries =
      sys::ListDirAt(AT_FDCWD, directory);
  return entries.ok() && entries->empty();
}

// Waits a little: a server that was killed while it started a shim leaves a
// child with copies of its descriptors, the lock's too, until that executes
// (clone(2): CLONE_VFORK without CLONE_FILES).
absl::StatusOr<UniqueFd> LockRoot(int root_dir) {
  const absl::Time deadline = absl::Now() + kLockPatience;
  while (true) {
    absl::StatusOr<UniqueFd> lock = sys::LockFileAt(root_dir, kLockFile);
    if (!absl::IsFailedPrecondition(lock.status()) || absl::Now() > deadline) {
      return lock;
    }
    absl::SleepFor(kLockPause);
  }
}

// "gantry-shim" where this program is.
absl::StatusOr<std::string> ShimPath(const Config& config) {
  if (!config.shim_path.empty()) return config.shim_path;
  ASSIGN_OR_RETURN(std::string self,
                   sys::ReadlinkAt(AT_FDCWD, "/proc/self/exe"));
  return absl::StrCat(self.substr(0, self.find_last_of('/')), "/gantry-shim");
}

image::RegistryOptions RegistryOptionsOf(const Config& config) {
  const Config::Registry& registry = config.registry;
  image::RegistryOptions options;
  options.parallel_ranges = config.images.parallel_ranges;
  options.range_bytes = int64_t{config.images.range_mib} << 20;
  options.insecure_hosts.insert(registry.insecure_hosts.begin(),
                                registry.insecure_hosts.end());
  options.config_paths = registry.config_paths;
  options.internal_hosts = registry.internal_hosts;
  options.proxy = registry.proxy;
  options.no_proxy = registry.no_proxy;
  options.connect_timeout = registry.connect_timeout;
  options.stall_timeout = registry.stall_timeout;
  options.max_attempts = registry.attempts;
  options.tls.ca_file = registry.ca_file;
  options.tls.client_certificate = registry.client_certificate;
  options.tls.client_key = registry.client_key;
  return options;
}

streaming::StreamServerOptions StreamOptionsOf(
    const Config::Streaming& streaming) {
  streaming::StreamServerOptions options;
  options.address = streaming.address;
  options.port = static_cast<uint16_t>(streaming.port);
  options.certificate = streaming.certificate;
  options.key = streaming.key;
  options.idle_timeout = absl::ToChronoSeconds(streaming.idle_timeout);
  return options;
}

spec::LogPolicy LogPolicyOf(const Config::Containers::Log& log) {
  spec::LogPolicy policy;
  policy.set_when_full(log.drops ? spec::LogPolicy::DROP
                                 : spec::LogPolicy::BLOCK);
  policy.set_rate(log.rate);
  policy.set_max_size(log.max_size);
  policy.set_max_files(static_cast<uint32_t>(log.max_files));
  return policy;
}

}  // namespace

// In the order of who needs whom: destroyed from the last to the first.
struct Daemon::Parts {
  Parts(const Config& c, Host h)
      : config(c),
        host(std::move(h)),
        paths(c.root, c.run),
        // What a burst of calls has taken goes back to the kernel.
        executor("core", c.threads.core,
                 {.after_burst = [] { malloc_trim(0); }}),
        blocking_executor("blocking", c.threads.blocking),
        network_executor("network", c.threads.blocking),
        name_locks(executor),
        pod_locks(executor),
        record_locks(executor),
        exits(executor) {}

  // What needs everything above it.
  absl::Status Build();
  absl::Status ChooseDriver();
  // The cgroup that all pods were below, if none is any more.
  absl::Status RemoveParentCgroup();
  absl::Status OpenParts();
  // Waits for a task that runs on the executor.
  absl::Status Await(work::Task<absl::Status> task);

  const Config config;
  const Host host;
  const core::Paths paths;
  UniqueFd root_dir;
  UniqueFd lock;

  plan::SeccompCache seccomp;
  core::DegradedFeatures degraded;
  core::EventBus events;
  core::PodIndex pod_index{"pod"};
  core::ContainerIndex container_index{"container"};
  Stores stores;
  std::unique_ptr<http::Client> http;
  std::unique_ptr<net::PodNetwork> network;
  std::unique_ptr<core::PodCidr> pod_cidr;
  core::StartProgress start;
  core::StepLog step_log;
  // Null unless somebody may ask for them.
  std::unique_ptr<metrics::Metrics> metrics;
  CgroupDriver cgroup_driver;
  // Where systemd answers, whatever the driver: pods of before may be its.
  std::unique_ptr<const cgroup::systemd::Units> units;

  work::TaskScope tasks;
  work::Executor executor;
  work::Executor blocking_executor;
  work::Executor network_executor;
  work::KeyedLock name_locks;
  work::KeyedLock pod_locks;
  work::KeyedLock record_locks;
  std::unique_ptr<work::LoopThread> loop;
  core::Exits exits;
  std::unique_ptr<shim_client::Launcher> launcher;
  bool user_namespaces = false;
  core::Shims shims;

  std::unique_ptr<core::Node> node;
  std::unique_ptr<core::ContainerService> containers;
  std::unique_ptr<core::PodService> pods;
  std::unique_ptr<core::ExecService> exec;
  std::unique_ptr<core::StatsService> stats;
  std::unique_ptr<core::ImageService> images;
  std::unique_ptr<core::StreamService> streams;
  std::unique_ptr<streaming::StreamServer> stream_server;
  std::unique_ptr<cri::Services> services;
  std::unique_ptr<metrics::Endpoint> metrics_endpoint;
  std::unique_ptr<GrpcServer> grpc;
};

absl::Status Daemon::Parts::Await(work::Task<absl::Status> task) {
  absl::Notification done;
  absl::Status result;
  tasks.Start(std::move(task), [&done, &result](absl::Status status) {
    result = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

absl::Status Daemon::Parts::ChooseDriver() {
  absl::StatusOr<std::string> version =
      absl::UnavailableError("systemd is not init");
  if (host.systemd) {
    units = std::make_unique<const cgroup::systemd::Units>(
        cgroup::systemd::NewSystemBus(), config.root);
    version = units->Version();
    if (!version.ok()) units.reset();
  }
  ASSIGN_OR_RETURN(
      cgroup_driver,
      ChooseCgroupDriver(config.cgroup_driver, host.cgroup_mode, version));
  return absl::OkStatus();
}

absl::Status Daemon::Parts::OpenParts() {
  ASSIGN_OR_RETURN(root_dir, OpenDirectory(config.root));
  ASSIGN_OR_RETURN(lock, LockRoot(root_dir.get()),
                   absl::StrCat("root directory ", config.root,
                                " is in use by another gantryd"));
  RETURN_IF_ERROR(sys::CleanTemporaries(root_dir.get()));
  RETURN_IF_ERROR(OpenDirectory(config.run));
  RETURN_IF_ERROR(MakeRunMount(config.run))
      << "make the run directory a mount of its own";
  for (const std::string& directory :
       {paths.PodRuns(), paths.ContainerRuns(), paths.PodRecords(),
        paths.ContainerRecords(), paths.Images()}) {
    RETURN_IF_ERROR(OpenDirectory(directory));
  }
  for (work::Executor* pool :
       {&executor, &blocking_executor, &network_executor}) {
    RETURN_IF_ERROR(pool->Begin());
  }
  RETURN_IF_ERROR(ChooseDriver());
  ASSIGN_OR_RETURN(stores, OpenStores(paths));
  if (host.facts.selinux && !host.facts.selinux->layer.empty()) {
    RETURN_IF_ERROR(LabelLayers(paths.Layers(), host.facts.selinux->layer))
        << "label image layers for SELinux";
  }
  if (config.containers.writable_layer_size > 0) {
    RETURN_IF_ERROR(stores.snapshotter->CanLimit())
        << "containers.writable_layer_size";
  }
  http = http::NewCurlClient();
  network = MakePodNetwork(config.network, paths);
  ASSIGN_OR_RETURN(UniqueFd root, sys::Duplicate(root_dir.get()));
  absl::Status problem;
  pod_cidr = std::make_unique<core::PodCidr>(std::move(root), &problem);
  LOG_IF(ERROR, !problem.ok()) << problem;
  ASSIGN_OR_RETURN(loop, work::LoopThread::Start("loop", executor));
  ASSIGN_OR_RETURN(std::string shim, ShimPath(config));
  ASSIGN_OR_RETURN(launcher,
                   shim_client::Launcher::Create(shim, *loop, executor));
  const absl::Status mapped = Await(
      TryUserNamespaces(*launcher, config.run, {config.root, config.run}));
  user_namespaces = mapped.ok();
  LOG_IF(INFO, !user_namespaces)
      << "pods cannot have user namespaces: " << mapped;
  return absl::OkStatus();
}

absl::Status Daemon::Parts::Build() {
  std::vector<core::StepObserver*> observers;
  if (config.trace_steps) observers.push_back(&step_log);
  if (!config.metrics.address.empty()) {
    metrics = std::make_unique<metrics::Metrics>(cri::kRuntimeVersion,
                                                 pod_index, container_index);
    observers.push_back(metrics.get());
  }
  node.reset(new core::Node{
      .paths = paths,
      .clock = RealClock(),
      .boot_id = host.boot_id,
      .cgroups = *host.cgroups,
      .host_facts = host.facts,
      .seccomp = seccomp,
      .loop = *loop,
      .executor = executor,
      .blocking_executor = blocking_executor,
      .network_executor = network_executor,
      .tasks = tasks,
      .name_locks = name_locks,
      .pod_locks = pod_locks,
      .record_locks = record_locks,
      .pod_records = *stores.pods,
      .container_records = *stores.containers,
      .pods = pod_index,
      .containers = container_index,
      .network = *network,
      .pod_cidr = *pod_cidr,
      .launcher = *launcher,
      .shims = shims,
      .images = *stores.images,
      .snapshotter = *stores.snapshotter,
      .events = events,
      .degraded = degraded,
      .exits = exits,
      .cdi_directories = config.cdi.spec_dirs,
      .writable_layer_size = config.containers.writable_layer_size,
      .log_policy = LogPolicyOf(config.containers.log),
      .units = units.get(),
      .systemd_driver = cgroup_driver.systemd,
      .step_observers = std::move(observers)});
  containers = std::make_unique<core::ContainerService>(*node);
  pods = std::make_unique<core::PodService>(*node, *containers);
  exec = std::make_unique<core::ExecService>(*node);
  stats = std::make_unique<core::StatsService>(*node);
  images = std::make_unique<core::ImageService>(
      *node, *http, RegistryOptionsOf(config),
      image::UnpackLimits{.max_inflation = config.images.max_inflation},
      config.images.max_parallel_layers, config.threads.blocking);
  streams = std::make_unique<core::StreamService>(*node);
  ASSIGN_OR_RETURN(stream_server,
                   streaming::StreamServer::Start(
                       StreamOptionsOf(config.streaming), *streams));
  LOG(INFO) << "cgroup driver: " << cgroup_driver.name() << " ("
            << cgroup_driver.reason << ")";
  LOG_IF(WARNING, host.selinux_without_contexts)
      << "SELinux is on, but its policy has no labels for containers: they "
         "have the server's";
  LOG_IF(WARNING, host.facts.selinux && host.facts.selinux->layer.empty())
      << "SELinux's policy has no label for image layers (ro_file of "
         "lxc_contexts): where it is enforced containers may not start";
  cri::HostAbilities abilities = host.abilities;
  abilities.systemd_cgroups = cgroup_driver.systemd;
  abilities.user_namespaces = user_namespaces;
  // Init mounts sysfs before it is in the user namespace.
  abilities.user_namespaces_host_network = user_namespaces;
  if (config.security.default_seccomp_when_unset) {
    abilities.unset_seccomp = spec::SeccompProfile::RUNTIME_DEFAULT;
  }
  abilities.pinned_images.insert(config.images.pinned.begin(),
                                 config.images.pinned.end());
  abilities.short_names = {.registry = config.registry.default_registry,
                           .aliases = config.registry.aliases};
  abilities.runtime_handlers = config.runtime_handlers;
  cri::ServerFacts facts;
  facts.config_json = ConfigJson(config);
  facts.kernel = KernelRelease();
  facts.cgroup_mode = host.cgroup_mode;
  facts.cgroup_driver = std::string(cgroup_driver.name());
  facts.cgroup_driver_reason = cgroup_driver.reason;
  facts.controllers = host.controllers;
  services.reset(new cri::Services{*node, *pods, *containers, *exec, *stats,
                                   *images, *streams, *stream_server, start,
                                   abilities, std::move(facts)});
  return absl::OkStatus();
}

absl::Status Daemon::Parts::RemoveParentCgroup() {
  const std::string path(cgroup_driver.systemd ? core::kDefaultParentSlice
                                               : core::kDefaultCgroupParent);
  ASSIGN_OR_RETURN(cgroup::Manager cgroup,
                   cgroup::Manager::For(*host.cgroups, path));
  ASSIGN_OR_RETURN(std::vector<std::string> children, cgroup.Children());
  if (!children.empty()) return absl::OkStatus();
  return core::RemoveCgroup(*node, path, kCgroupPatience);
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config) {
  ASSIGN_OR_RETURN(Host host, ReadHost());
  std::unique_ptr<Daemon> daemon(
      new Daemon(std::make_unique<Parts>(config, std::move(host))));
  Parts& parts = *daemon->parts_;
  RETURN_IF_ERROR(parts.OpenParts());
  RETURN_IF_ERROR(parts.Build());
  return daemon;
}

absl::Status Daemon::Serve() {
  metrics::Metrics* const metrics = parts_->metrics.get();
  if (metrics != nullptr) {
    ASSIGN_OR_RETURN(parts_->metrics_endpoint,
                     metrics::Endpoint::Start(
                         *metrics::ParseAddress(parts_->config.metrics.address),
                         [metrics] { return metrics->Text(); }));
  }
  parts_->start.Begin();
  ASSIGN_OR_RETURN(parts_->grpc, GrpcServer::Start(parts_->config.socket,
                                                   *parts_->services, metrics));
  return absl::OkStatus();
}

absl::Status Daemon::Recover() {
  Parts& parts = *parts_;
  ASSIGN_OR_RETURN(const std::string noted,
                   state::NotedBoot(parts.root_dir.get()));
  const bool new_boot = !noted.empty() && noted != parts.host.boot_id;
  RETURN_IF_ERROR(
      parts.Await(core::Recover(*parts.node, new_boot, parts.start)))
      << "recover what is in " << parts.config.root;
  const absl::Status boot =
      state::NoteBoot(parts.root_dir.get(), parts.host.boot_id);
  // What is damaged is set aside for longer then.
  LOG_IF(ERROR, !boot.ok()) << "note which boot this is: " << boot;
  parts.start.End();
  parts.grpc->EndStart();
  return absl::OkStatus();
}

bool Daemon::Drain() {
  Parts& parts = *parts_;
  if (parts.grpc != nullptr) {
    // Ends with the last call, however long that takes: the wait is bounded
    // here. Shared, for the thread may be left behind.
    auto closed = std::make_shared<absl::Notification>();
    absl::StatusOr<std::thread> closing =
        work::StartThread("closing", [&parts, closed] {
          parts.grpc->Shutdown(parts.config.drain_timeout);
          closed->Notify();
        });
    if (!closing.ok()) return false;
    if (!closed->WaitForNotificationWithTimeout(parts.config.drain_timeout +
                                                kShutdownSlack)) {
      closing->detach();
      return false;
    }
    closing->join();
  }
  // What runs for streams ends with them, within the time of the tasks.
  if (parts.stream_server != nullptr) parts.stream_server->Close();
  return parts.tasks.WaitIdle(parts.config.drain_timeout);
}

Daemon::~Daemon() {
  Parts& parts = *parts_;
  parts.grpc.reset();
  if (parts.stream_server != nullptr) parts.stream_server->Close();
  // Containers run on; nobody watches them from here on.
  if (parts.node != nullptr) {
    for (const core::ContainerPtr& container : parts.container_index.List()) {
      parts.shims.Drop(container->id());
    }
  }
  // What is not on disk is found by the next start from what is left.
  if (parts.node != nullptr) parts.node->unsaved->Close();
  parts.tasks.WaitIdle(absl::InfiniteDuration());
  // Nothing is left behind: what all pods share goes with the last one.
  if (parts.node != nullptr) parts.network->Close();
  if (IsEmpty(parts.paths.PodRuns()) && IsEmpty(parts.paths.ContainerRuns())) {
    absl::Status unmounted = RemoveRunMount(parts.config.run);
    LOG_IF(WARNING, !unmounted.ok())
        << "unmount the run directory: " << unmounted;
  }
  if (parts.node == nullptr || !parts.pod_index.List().empty()) return;
  absl::Status removed = parts.RemoveParentCgroup();
  LOG_IF(WARNING, !removed.ok())
      << "remove the cgroup of all pods: " << removed;
}

}  // namespace gantry::server
