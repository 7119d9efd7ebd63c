// Launcher and ShimClient with the real gantry-shim, kernel and cgroups: a
// server's side of shims for tests that run as root, with a layer of busybox.
//
// Leaves no cgroup behind. Thread safety: none.

#ifndef GANTRY_SERVER_SHIM_TESTING_REAL_SHIM_H_
#define GANTRY_SERVER_SHIM_TESTING_REAL_SHIM_H_

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
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
#include "runtime/sys/testing/temp_dir.h"
#include "server/shim/launcher.h"
#include "server/shim/output_collector.h"
#include "server/shim/testing/await_task.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"

namespace gantry::shim_client {

using Arguments = std::vector<std::string>;

inline constexpr absl::Duration kLong = absl::Seconds(20);
inline constexpr char kBusybox[] = "/bin/busybox";

inline std::string ShimPath() {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/",
                      std::getenv("TEST_WORKSPACE"), "/shim/gantry-shim");
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

}  // namespace gantry::shim_client

#endif  // GANTRY_SERVER_SHIM_TESTING_REAL_SHIM_H_
