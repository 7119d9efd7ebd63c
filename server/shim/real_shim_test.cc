// Launcher and ShimClient with the real gantry-shim, kernel and cgroups.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/detect.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/plan/host_reader.h"
#include "runtime/plan/planner.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/testing/temp_dir.h"
#include "server/shim/exit_record.h"
#include "server/shim/launcher.h"
#include "server/shim/output_collector.h"
#include "server/shim/shim_process.h"
#include "server/shim/spare_namespaces.h"
#include "server/shim/spare_shim.h"
#include "server/shim/testing/await_task.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "shim/donation.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

constexpr absl::Duration kLong = absl::Seconds(20);
constexpr char kBusybox[] = "/bin/busybox";

std::string ShimPath() {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/",
                      std::getenv("TEST_WORKSPACE"), "/shim/gantry-shim");
}

int CountEntries(const char* directory) {
  return sys::ListDirAt(AT_FDCWD, directory).value().size();
}

void PrintLatencies(const char* what, std::vector<absl::Duration> times) {
  std::sort(times.begin(), times.end());
  auto milliseconds = [&times](double part) {
    return absl::ToDoubleMilliseconds(times[(times.size() - 1) * part]);
  };
  std::printf("%s: n=%zu p50=%.2f ms p90=%.2f ms p99=%.2f ms max=%.2f ms\n",
              what, times.size(), milliseconds(0.5), milliseconds(0.9),
              milliseconds(0.99), milliseconds(1));
}

// A future of the container's end.
class End {
 public:
  explicit End(ShimClient& client) {
    client.OnExit([state = state_](ExitOutcome outcome) {
      state->outcome = std::move(outcome);
      state->told.Notify();
    });
  }
  ExitOutcome Get() {
    EXPECT_TRUE(state_->told.WaitForNotificationWithTimeout(kLong));
    return state_->outcome;
  }

 private:
  struct State {
    absl::Notification told;
    ExitOutcome outcome;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct ExecOutput {
  int exit_code = -1;
  std::string out;
};

class RealShimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_OK_AND_ASSIGN(loop_, work::LoopThread::Start("loop", executor_));
    ASSERT_OK_AND_ASSIGN(launcher_,
                         Launcher::Create(ShimPath(), *loop_, executor_));
    MakeLayer();
    ReadHost();
  }

  void TearDown() override {
    for (const std::string& path : cgroup_paths_) {
      cgroup::Manager cgroup =
          cgroup::Manager::For(*hierarchies_, path).value();
      EXPECT_OK(cgroup.Kill());
      EXPECT_OK(cgroup.Remove(std::chrono::seconds(5)));
    }
  }

  void MakeLayer() {
    ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "layers/l1/bin", 0755));
    ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "layers/l1/proc", 0755));
    ASSERT_OK_AND_ASSIGN(std::string busybox,
                         sys::ReadFileAt(AT_FDCWD, kBusybox, 16 << 20));
    ASSERT_OK_AND_ASSIGN(UniqueFd copy,
                         sys::OpenAt(dir_.fd(), "layers/l1/bin/busybox",
                                     O_WRONLY | O_CREAT, 0755));
    ASSERT_OK(sys::WriteAll(copy.get(), busybox));
    for (const char* name : {"sh", "echo", "sleep", "true", "cat"}) {
      ASSERT_OK(sys::SymlinkAt("busybox", dir_.fd(),
                               absl::StrCat("layers/l1/bin/", name)));
    }
  }

  void ReadHost() {
    ASSERT_OK_AND_ASSIGN(UniqueFd root,
                         sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
    ASSERT_OK_AND_ASSIGN(UniqueFd proc,
                         sys::OpenAt(AT_FDCWD, "/proc", O_RDONLY));
    ASSERT_OK_AND_ASSIGN(cgroup::Layout layout,
                         cgroup::DetectLayout(root.get()));
    ASSERT_OK_AND_ASSIGN(cgroup::Hierarchies hierarchies,
                         cgroup::Hierarchies::Open(layout));
    hierarchies_ =
        std::make_unique<cgroup::Hierarchies>(std::move(hierarchies));
    ASSERT_OK_AND_ASSIGN(
        facts_, plan::ReadHostFacts(proc.get(),
                                    plan::MakeHostDevices(std::move(root))));
    for (const cgroup::Hierarchy& found : layout.hierarchies) {
      plan::CgroupHierarchy& hierarchy = facts_.hierarchies.emplace_back();
      for (const std::string& controller : found.controllers) {
        if (found.version == cgroup::Version::kV1) {
          hierarchy.add_controllers(controller);
        }
      }
      hierarchy.set_mount_path(found.mount_path);
      hierarchy.set_unified(found.version == cgroup::Version::kV2);
    }
  }

  // The spec of a container that runs `args` in its own namespaces.
  spec::ContainerSpec SpecOf(const std::string& id, const Arguments& args) {
    spec::ContainerSpec spec;
    spec.set_id(id);
    for (const std::string& arg : args) spec.mutable_process()->add_args(arg);
    spec.mutable_process()->add_env("PATH=/bin");
    spec::Rootfs& rootfs = *spec.mutable_rootfs();
    rootfs.set_layers_dir(absl::StrCat(dir_.path(), "/layers"));
    rootfs.add_lower_dirs("l1");
    for (const char* name : {"upper", "work", "rootfs", "run"}) {
      EXPECT_OK(sys::MkdirAllAt(dir_.fd(), absl::StrCat(id, "/", name), 0700));
    }
    const std::string own = absl::StrCat(dir_.path(), "/", id);
    rootfs.set_upper_dir(own + "/upper");
    rootfs.set_work_dir(own + "/work");
    rootfs.set_mount_point(own + "/rootfs");
    spec.mutable_namespaces()->set_network(spec::NODE);
    spec.mutable_namespaces()->set_pid(spec::CONTAINER);
    spec.mutable_namespaces()->set_ipc(spec::CONTAINER);
    spec.mutable_namespaces()->set_uts(spec::NODE);
    spec.set_cgroup_path(
        absl::StrCat("/gantry-shim-client-test-", ::getpid(), "-", id));
    cgroup_paths_.push_back(spec.cgroup_path());
    return spec;
  }

  // One that can be taken. Nothing: none came in time.
  std::optional<pid_t> AwaitSpareShim() {
    for (int i = 0; i < 500; ++i) {
      const std::optional<pid_t> spare = launcher_->SpareShimPid();
      // It has its name after it has said that it is there.
      if (spare.has_value() &&
          sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", *spare, "/comm"))
                  .value_or("") == "gantry-ahead\n") {
        return spare;
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    return std::nullopt;
  }

  UniqueFd RunDir(const std::string& id) {
    return sys::OpenAt(dir_.fd(), absl::StrCat(id, "/run"),
                       O_RDONLY | O_DIRECTORY)
        .value();
  }

  absl::StatusOr<Launched> Launch(const std::string& id,
                                  const Arguments& args) {
    spec::ContainerSpec spec = SpecOf(id, args);
    ASSIGN_OR_RETURN(plan::ContainerPlan plan,
                     plan::BuildPlan(spec, facts_, seccomp_));
    UniqueFd run_dir = RunDir(id);
    LaunchRequest request;
    request.container_id = id;
    request.plan = plan.SerializeAsString();
    request.run_dir_fd = run_dir.get();
    return Await(launcher_->Launch(std::move(request)));
  }

  ExecOutput Exec(ShimClient& client, const std::string& exec_id,
                  const Arguments& args) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    auto output =
        OutputCollector::Start(*loop_, executor_, UniqueFd(ends[0])).value();
    shim::ExecRequest request;
    request.set_exec_id(exec_id);
    for (const std::string& arg : args) request.add_args(arg);
    request.set_has_stdout(true);
    std::vector<UniqueFd> fds;
    fds.emplace_back(ends[1]);
    ExecOutput result;
    absl::StatusOr<ExecStartedResult> started =
        Await(client.Exec(std::move(request), std::move(fds)));
    EXPECT_OK(started);
    if (!started.ok()) return result;
    absl::StatusOr<int> code = Await(client.WaitExec(exec_id));
    EXPECT_OK(code);
    result.exit_code = code.value_or(-1);
    result.out = Await(output->Wait()).data;
    return result;
  }

  bool CgroupExists(const std::string& id) {
    const std::string path =
        absl::StrCat("gantry-shim-client-test-", ::getpid(), "-", id);
    for (size_t i = 0; i < hierarchies_->size(); ++i) {
      if (sys::ExistsAt(hierarchies_->fd(i), path)) return true;
    }
    return false;
  }

  sys::testing::TempDir dir_;
  work::Executor executor_{"test", 2};
  std::unique_ptr<work::LoopThread> loop_;
  std::unique_ptr<Launcher> launcher_;
  std::unique_ptr<cgroup::Hierarchies> hierarchies_;
  plan::HostFacts facts_;
  plan::SeccompCache seccomp_;
  std::vector<std::string> cgroup_paths_;
};

TEST_F(RealShimTest, AContainerRunsAndItsEndIsTold) {
  ASSERT_OK_AND_ASSIGN(Launched launched,
                       Launch("c1", {"/bin/sh", "-c", "sleep 0.1; exit 7"}));
  EXPECT_GT(launched.started.pid(), 0);
  End end(*launched.client);
  ExitOutcome outcome = end.Get();
  EXPECT_FALSE(outcome.shim_lost);
  EXPECT_EQ(outcome.exited.exit_code(), 7);
  EXPECT_OK(Await(launched.client->WaitGone(kLong)));
  UniqueFd run_dir = RunDir("c1");
  ASSERT_OK_AND_ASSIGN(shim::Exited record, ReadExitRecord(run_dir.get()));
  EXPECT_EQ(record.exit_code(), 7);
  EXPECT_FALSE(sys::ExistsAt(run_dir.get(), shim::kSocketName));
  EXPECT_FALSE(CgroupExists("c1"));
}

TEST_F(RealShimTest, AProgramThatIsMissingFailsTheStartAndLeavesNothing) {
  absl::Status status = Launch("c1", {"/bin/absent"}).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/bin/absent")));
  UniqueFd run_dir = RunDir("c1");
  EXPECT_FALSE(sys::ExistsAt(run_dir.get(), shim::kSocketName));
  EXPECT_FALSE(CgroupExists("c1"));
}

TEST_F(RealShimTest, ExecsRunBesideTheProgram) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  ShimClient& client = *launched.client;
  ExecOutput result = Exec(client, "e1", {"/bin/sh", "-c", "echo out; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "out\n");

  shim::ExecRequest missing;
  missing.set_exec_id("e2");
  missing.add_args("/bin/absent");
  EXPECT_THAT(Await(client.Exec(missing, {})),
              StatusIs(absl::StatusCode::kNotFound));

  shim::ExecRequest hanging;
  hanging.set_exec_id("e3");
  hanging.add_args("/bin/sleep");
  hanging.add_args("1000");
  ASSERT_OK(Await(client.Exec(hanging, {})));
  ASSERT_OK_AND_ASSIGN(shim::State state, Await(client.GetState()));
  ASSERT_EQ(state.exec_ids_size(), 1);
  EXPECT_EQ(state.exec_ids(0), "e3");
  EXPECT_OK(Await(client.ExecSignal("e3", SIGKILL, true)));
  EXPECT_THAT(Await(client.WaitExec("e3")), IsOkAndHolds(128 + SIGKILL));
  EXPECT_THAT(Await(client.ExecSignal("e3", SIGKILL, true)),
              StatusIs(absl::StatusCode::kNotFound));

  shim::ExecRequest terminal;
  terminal.set_exec_id("e4");
  terminal.add_args("/bin/sh");
  terminal.add_args("-c");
  terminal.add_args("test -t 1 && echo tty");
  terminal.set_terminal(true);
  ASSERT_OK_AND_ASSIGN(ExecStartedResult started,
                       Await(client.Exec(terminal, {})));
  ASSERT_TRUE(started.pty.has_value());
  auto output =
      OutputCollector::Start(*loop_, executor_, *std::move(started.pty))
          .value();
  EXPECT_THAT(Await(client.WaitExec("e4")), IsOkAndHolds(0));
  EXPECT_EQ(Await(output->Wait()).data, "tty\r\n");

  End end(client);
  EXPECT_OK(Await(client.Signal(SIGKILL, true)));
  EXPECT_EQ(end.Get().exited.exit_code(), 128 + SIGKILL);
  EXPECT_OK(Await(client.WaitGone(kLong)));
}

TEST_F(RealShimTest, AKilledShimIsLostAndItsContainerCanBeSwept) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  End end(*launched.client);
  ASSERT_EQ(::kill(launched.started.shim_pid(), SIGKILL), 0);
  EXPECT_TRUE(end.Get().shim_lost);
  EXPECT_OK(Await(launched.client->WaitGone(kLong)));
  EXPECT_TRUE(CgroupExists("c1"));
  UniqueFd run_dir = RunDir("c1");
  EXPECT_THAT(Await(ShimClient::Connect(*loop_, executor_, run_dir.get())),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RealShimTest, ARestartedServerFindsTheShimAgain) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  const pid_t pid = launched.started.pid();
  launched.client.reset();
  UniqueFd run_dir = RunDir("c1");
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<ShimClient> client,
      Await(ShimClient::Connect(*loop_, executor_, run_dir.get())));
  ASSERT_OK_AND_ASSIGN(shim::State state, Await(client->GetState()));
  EXPECT_EQ(state.started().pid(), pid);
  EXPECT_EQ(Exec(*client, "e1", {"/bin/echo", "again"}).out, "again\n");
  End end(*client);
  EXPECT_OK(Await(client->Signal(SIGKILL, false)));
  EXPECT_EQ(end.Get().exited.signal(), SIGKILL);
  EXPECT_OK(Await(client->WaitGone(kLong)));
}

TEST_F(RealShimTest, ShimThatIsKilledAfterARestartIsLost) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  launched.client.reset();
  UniqueFd run_dir = RunDir("c1");
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<ShimClient> client,
      Await(ShimClient::Connect(*loop_, executor_, run_dir.get())));
  End end(*client);
  ASSERT_EQ(::kill(launched.started.shim_pid(), SIGKILL), 0);
  EXPECT_TRUE(end.Get().shim_lost);
}

TEST_F(RealShimTest, NamespacesArePinned) {
  ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "pod", 0700));
  ASSERT_OK_AND_ASSIGN(UniqueFd pod,
                       sys::OpenAt(dir_.fd(), "pod", O_RDONLY | O_DIRECTORY));
  PinRequest request;
  request.run_dir_fd = pod.get();
  request.network = request.ipc = request.uts = true;
  request.hostname = "pinned";
  request.shm_size = 1 << 20;
  request.sysctls["net.ipv4.ip_unprivileged_port_start"] = "80";
  EXPECT_OK(Await(launcher_->PinNamespaces(request)));
  const std::string path = absl::StrCat(dir_.path(), "/pod/");
  for (const char* name : {"net", "ipc", "uts", "shm"}) {
    EXPECT_EQ(::umount2((path + name).c_str(), MNT_DETACH), 0) << name;
  }
  request.sysctls["kernel.pid_max"] = "80";
  EXPECT_THAT(Await(launcher_->PinNamespaces(request)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// Takes away what is pinned there, but for the network namespace: as long as it
// is held, no other has its number.
UniqueFd Unpin(const UniqueFd& directory) {
  UniqueFd network;
  for (const char* name : {"net", "ipc", "uts"}) {
    const std::string path =
        absl::StrCat("/proc/self/fd/", directory.get(), "/", name);
    if (name == absl::string_view("net")) {
      absl::StatusOr<UniqueFd> fd = sys::OpenAt(AT_FDCWD, path, O_RDONLY);
      EXPECT_OK(fd);
      if (fd.ok()) network = *std::move(fd);
    }
    EXPECT_EQ(::umount2(path.c_str(), MNT_DETACH), 0) << name;
  }
  return network;
}

TEST_F(RealShimTest, NamespacesOfALikePodAreMadeAhead) {
  std::vector<UniqueFd> networks;
  std::set<uint64_t> numbers;
  for (const char* name : {"first", "second"}) {
    ASSERT_OK(sys::MkdirAllAt(dir_.fd(), name, 0700));
    ASSERT_OK_AND_ASSIGN(UniqueFd pod,
                         sys::OpenAt(dir_.fd(), name, O_RDONLY | O_DIRECTORY));
    PinRequest request;
    request.run_dir_fd = pod.get();
    request.network = request.ipc = request.uts = true;
    request.hostname = name;
    EXPECT_OK(Await(launcher_->PinNamespaces(request)));
    networks.push_back(Unpin(pod));
    ASSERT_OK_AND_ASSIGN(uint64_t number,
                         sys::NamespaceIdOf(networks.back().get()));
    numbers.insert(number);
    for (int i = 0; i < 500 && !launcher_->HasSpareNamespaces(); ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_TRUE(launcher_->HasSpareNamespaces());
  }
  EXPECT_EQ(numbers.size(), 2);
}

TEST_F(RealShimTest, ASpareIsForOnePodOfItsKind) {
  ASSERT_OK_AND_ASSIGN(UniqueFd binary,
                       sys::OpenAt(AT_FDCWD, ShimPath(), O_RDONLY));
  SpareNamespaces spares(std::move(binary));
  shim::PinRequest pin;
  pin.net = pin.ipc = pin.uts = true;
  pin.hostname = "one";
  EXPECT_FALSE(spares.Take(pin, dir_.fd()).has_value());
  ASSERT_OK(spares.Make(pin));
  shim::PinRequest other = pin;
  other.sysctls = {{"net/ipv4/ip_forward", "1"}};
  EXPECT_FALSE(spares.Take(other, dir_.fd()).has_value());
  EXPECT_TRUE(spares.has_spare());
  pin.hostname = "another";
  std::optional<ShimProcess> taken = spares.Take(pin, dir_.fd());
  ASSERT_TRUE(taken.has_value());
  EXPECT_FALSE(spares.has_spare());
  EXPECT_FALSE(spares.Take(pin, dir_.fd()).has_value());
  EXPECT_THAT(sys::PidfdExited(taken->pidfd.get(), std::chrono::seconds(20)),
              ::gantry::testing::IsOkAndHolds(true));
  Unpin(sys::Duplicate(dir_.fd()).value());
  // A user namespace is a pod's own.
  pin.user = shim::UserNamespace{{0, 65536, 65536}, {0, 65536, 65536}};
  ASSERT_OK(spares.Make(pin));
  EXPECT_FALSE(spares.has_spare());
}

TEST_F(RealShimTest, TheNextContainersShimIsStartedAhead) {
  std::optional<pid_t> spare;
  for (const char* id : {"first-container", "second-container"}) {
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch(id, {"/bin/sleep", "1000"}));
    const pid_t shim = launched.started.shim_pid();
    if (spare.has_value()) {
      EXPECT_EQ(shim, *spare);
    }
    // Like one that was started for it.
    ASSERT_OK_AND_ASSIGN(
        const std::string arguments,
        sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", shim, "/cmdline")));
    const std::string shown(absl::string_view(id).substr(0, 12));
    EXPECT_EQ(arguments,
              absl::StrCat("gantry-shim", std::string(1, '\0'), "container",
                           std::string(1, '\0'), shown, std::string(1, '\0')));
    EXPECT_THAT(
        sys::ReadFileAt(AT_FDCWD, absl::StrCat("/proc/", shim, "/comm")),
        ::gantry::testing::IsOkAndHolds("gantry-shim\n"));
    EXPECT_EQ(Exec(*launched.client, "e", {"/bin/true"}).exit_code, 0);
    spare = AwaitSpareShim();
    ASSERT_TRUE(spare.has_value());
    EXPECT_NE(*spare, shim);
    End end(*launched.client);
    ASSERT_OK(Await(launched.client->Signal(SIGKILL, false)));
    end.Get();
  }
}

TEST_F(RealShimTest, AShimThatWasKilledAheadIsPassedOver) {
  for (const char* id : {"c1", "c2"}) {
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch(id, {"/bin/sleep", "1000"}));
    const std::optional<pid_t> spare = AwaitSpareShim();
    ASSERT_TRUE(spare.has_value());
    EXPECT_NE(*spare, launched.started.shim_pid());
    ASSERT_EQ(::kill(*spare, SIGKILL), 0);
    End end(*launched.client);
    ASSERT_OK(Await(launched.client->Signal(SIGKILL, false)));
    end.Get();
  }
}

TEST_F(RealShimTest, AProgramThatDoesNotWaitIsNotTaken) {
  // As a shim of before: it ends at once.
  ASSERT_OK_AND_ASSIGN(UniqueFd binary,
                       sys::OpenAt(AT_FDCWD, kBusybox, O_RDONLY));
  SpareShim spare(std::move(binary));
  ASSERT_OK(spare.Make());
  // Whether it has not begun yet or is gone.
  for (int i = 0; i < 500 && spare.pid().has_value(); ++i) {
    EXPECT_FALSE(spare.Take("c", {}).has_value());
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_FALSE(spare.pid().has_value());
}

TEST_F(RealShimTest, AShimStartedAheadGoesWithTheServer) {
  ASSERT_OK_AND_ASSIGN(UniqueFd binary,
                       sys::OpenAt(AT_FDCWD, ShimPath(), O_RDONLY));
  UniqueFd pidfd;
  {
    SpareShim spare(std::move(binary));
    EXPECT_FALSE(spare.Take("c", {}).has_value());
    ASSERT_OK(spare.Make());
    ASSERT_TRUE(spare.pid().has_value());
    ASSERT_OK_AND_ASSIGN(pidfd, sys::PidfdOpen(*spare.pid()));
  }
  EXPECT_THAT(sys::PidfdExited(pidfd.get(), std::chrono::seconds(20)),
              ::gantry::testing::IsOkAndHolds(true));
}

TEST_F(RealShimTest, ManyLaunchesAndExecsLeakNothing) {
  constexpr int kLaunches = 200;
  std::vector<absl::Duration> launches;
  std::vector<absl::Duration> execs;
  std::vector<absl::Duration> ends;
  int fds = 0;
  for (int i = 0; i < kLaunches; ++i) {
    const std::string id = absl::StrCat("c", i);
    absl::Time start = absl::Now();
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch(id, {"/bin/sleep", "1000"}));
    launches.push_back(absl::Now() - start);
    start = absl::Now();
    EXPECT_EQ(Exec(*launched.client, "e", {"/bin/true"}).exit_code, 0);
    execs.push_back(absl::Now() - start);
    End end(*launched.client);
    start = absl::Now();
    EXPECT_OK(Await(launched.client->Signal(SIGKILL, true)));
    EXPECT_FALSE(end.Get().shim_lost);
    ends.push_back(absl::Now() - start);
    EXPECT_OK(Await(launched.client->WaitGone(kLong)));
    launched.client.reset();
    absl::Notification settled;
    loop_->Post([&settled] { settled.Notify(); });
    settled.WaitForNotification();
    EXPECT_FALSE(CgroupExists(id));
    if (i == 10) fds = CountEntries("/proc/self/fd");
  }
  // Two are a shim's that was started ahead.
  EXPECT_LE(CountEntries("/proc/self/fd"), fds + 2);
  // The test's, the loop's, and those the executor may have.
  EXPECT_LE(CountEntries("/proc/self/task"), 4);
  PrintLatencies("launch (plan to Started)", launches);
  PrintLatencies("exec (pipe, start, exit, output)", execs);
  PrintLatencies("kill to Exited", ends);
}

}  // namespace
}  // namespace gantry::shim_client
