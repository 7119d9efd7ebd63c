#include "shim/init/testing/container.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <utility>

#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/sys/clone.h"
#include "runtime/sys/file.h"
#include "runtime/sys/user_namespace.h"
#include "shim/init/id_maps.h"
#include "shim/init/sync.h"

namespace gantry::init::testing {
namespace {

constexpr char kBusybox[] = "/bin/busybox";
constexpr std::chrono::seconds kPatience{20};

plan::MountStep* AddFilesystem(plan::InitPlan& plan, const char* type,
                               const char* target, uint64_t attributes,
                               std::vector<std::string> options = {}) {
  plan::MountStep* step = plan.add_mounts();
  step->set_kind(plan::MountStep::FILESYSTEM);
  step->set_fstype(type);
  step->set_source(type);
  step->set_target(target);
  step->set_attributes(attributes);
  for (std::string& option : options) step->add_options(std::move(option));
  return step;
}

void AddDevice(plan::InitPlan& plan, const char* path, uint32_t major,
               uint32_t minor) {
  plan::DeviceNode* device = plan.add_devices();
  device->set_path(path);
  device->set_type("c");
  device->set_major(major);
  device->set_minor(minor);
  device->set_mode(0666);
}

uint64_t OwnCapabilities() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("CapBnd:", 0) == 0) {
      return strtoull(line.c_str() + 7, nullptr, 16);
    }
  }
  return 0;
}

// Reads reports and output until both have ended.
void Watch(int sync, int output, Outcome& outcome) {
  pollfd fds[] = {{sync, POLLIN, 0}, {output, POLLIN, 0}};
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "the container takes too long";
      return;
    }
    poll(fds, 2, 1000);
    if (fds[0].fd >= 0 && fds[0].revents != 0) {
      auto report = ReadReport(sync);
      ASSERT_TRUE(report.ok()) << report.status();
      if (!report->has_value()) continue;
      switch ((*report)->kind) {
        case Report::Kind::kReady:
          outcome.ready = true;
          outcome.started = (*report)->ready;
          break;
        case Report::Kind::kFailed:
          outcome.start = (*report)->failure;
          break;
        case Report::Kind::kConsole:
          outcome.console = std::move((*report)->console);
          fds[1].fd = outcome.console.get();
          fds[1].revents = 0;
          break;
        case Report::Kind::kClosed:
          if (!outcome.ready && outcome.start.ok()) {
            outcome.start = absl::UnknownError("died before READY");
          }
          fds[0].fd = -1;
      }
    }
    if (fds[1].fd >= 0 && fds[1].revents != 0) {
      char buffer[4096];
      ssize_t n = read(fds[1].fd, buffer, sizeof(buffer));
      if (n <= 0) fds[1].fd = -1;
      if (n > 0) outcome.output.append(buffer, n);
    }
  }
}

int Reap(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct Streams {
  UniqueFd read;
  UniqueFd write;
};
Streams MakeStreams() {
  int fds[2];
  EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

uint64_t CloneFlags(const plan::NamespacePlan& plan) {
  using Plan = plan::NamespacePlan;
  return (plan.mount() == Plan::NEW ? CLONE_NEWNS : 0) |
         (plan.pid() == Plan::NEW ? CLONE_NEWPID : 0) |
         (plan.network() == Plan::NEW ? CLONE_NEWNET : 0) |
         (plan.ipc() == Plan::NEW ? CLONE_NEWIPC : 0) |
         (plan.uts() == Plan::NEW ? CLONE_NEWUTS : 0);
}

}  // namespace

Container::Container() {
  for (const char* dir : {"layers", "layers/base", "layers/base/bin",
                          "layers/base/etc", "upper", "work", "root"}) {
    MakeDirectory(dir);
  }
  std::ifstream busybox(kBusybox, std::ios::binary);
  std::stringstream content;
  content << busybox.rdbuf();
  WriteFile("layers/base/bin/busybox", content.str(), 0755);
  for (const char* name :
       {"sh",    "cat",      "ls",   "id",   "hostname", "mount",
        "touch", "sleep",    "pwd",  "grep", "rm",       "stat",
        "env",   "readlink", "kill", "wc",   "umount",   "ulimit",
        "mkdir", "true",     "tty",  "echo", "chmod",    "mknod"}) {
    EXPECT_EQ(symlink("busybox",
                      HostPath(std::string("layers/base/bin/") + name).c_str()),
              0);
  }
  WriteFile("layers/base/etc/passwd",
            "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n");
  WriteFile("layers/base/etc/group", "app:x:1001:\nextra:x:77:app\n");

  using Plan = plan::NamespacePlan;
  namespaces_.set_mount(Plan::NEW);
  namespaces_.set_pid(Plan::NEW);
  namespaces_.set_network(Plan::NEW);
  namespaces_.set_ipc(Plan::NEW);
  namespaces_.set_uts(Plan::NEW);
  namespaces_.set_cgroup(Plan::NEW);
  plan::OverlayPlan* overlay = plan_.mutable_rootfs()->mutable_overlay();
  overlay->set_layers_dir(HostPath("layers"));
  overlay->add_lower_dirs("base");
  overlay->set_upper_dir(HostPath("upper"));
  overlay->set_work_dir(HostPath("work"));
  overlay->set_mount_point(HostPath("root"));
  constexpr uint64_t kInert =
      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  AddFilesystem(plan_, "proc", "/proc", kInert);
  AddFilesystem(plan_, "tmpfs", "/dev",
                MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
                {"mode=755", "size=65536k"});
  AddFilesystem(plan_, "sysfs", "/sys", kInert | MOUNT_ATTR_RDONLY);
  AddFilesystem(plan_, "devpts", "/dev/pts",
                MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"});
  AddFilesystem(plan_, "tmpfs", "/dev/shm", kInert, {"mode=1777", "size=1m"});
  AddFilesystem(plan_, "mqueue", "/dev/mqueue", kInert);
  AddDevice(plan_, "/dev/null", 1, 3);
  AddDevice(plan_, "/dev/tty", 5, 0);
  plan::Symlink* ptmx = plan_.add_symlinks();
  ptmx->set_path("/dev/ptmx");
  ptmx->set_target("pts/ptmx");
  plan_.set_hostname("inside");
  plan_.add_env("PATH=/bin");
  plan_.set_cwd("/");
  plan::Identity* identity = plan_.mutable_identity();
  identity->set_umask(022);
  const uint64_t all = OwnCapabilities();
  identity->set_cap_bounding(all);
  identity->set_cap_effective(all);
  identity->set_cap_permitted(all);
}

Container::~Container() {
  if (pid_ > 0) Stop(SIGKILL);
}

std::string Container::HostPath(const std::string& name) const {
  return dir_.path() + "/" + name;
}

void Container::MakeDirectory(const std::string& name) {
  EXPECT_EQ(mkdir(HostPath(name).c_str(), 0755), 0) << name;
}

void Container::WriteFile(const std::string& name, const std::string& text,
                          mode_t mode) {
  std::ofstream(HostPath(name), std::ios::binary) << text;
  EXPECT_EQ(chmod(HostPath(name).c_str(), mode), 0) << name;
}

void Container::UseUserNamespace() {
  constexpr uint32_t kLength = 65536;
  const sys::IdRange range = {0, kFirstHostId, kLength};
  auto proc = sys::OpenAt(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY);
  ASSERT_TRUE(proc.ok()) << proc.status();
  auto made = sys::NewUserNamespace(proc->get(), {&range, 1}, {&range, 1});
  ASSERT_TRUE(made.ok()) << made.status();
  user_namespace_ = *std::move(made);

  namespaces_.set_user(plan::NamespacePlan::JOIN);
  plan_.mutable_rootfs()->mutable_overlay()->set_id_mapped(true);
  spec::UserNamespace* space =
      plan_.mutable_identity()->mutable_user_namespace();
  for (spec::IdMapping* ids : {space->mutable_uids(), space->mutable_gids()}) {
    ids->set_host_id(kFirstHostId);
    ids->set_length(kLength);
  }
}

Outcome Container::Run(const std::string& script) {
  plan::InitPlan plan = plan_;
  if (plan.args().empty() && !plan.pause()) {
    for (const std::string& arg :
         {std::string("sh"), std::string("-c"), script}) {
      plan.add_args(arg);
    }
  }
  Outcome outcome;
  absl::StatusOr<std::vector<UniqueFd>> id_maps = MakeIdMaps(plan);
  if (!id_maps.ok()) {
    outcome.start = id_maps.status();
    return outcome;
  }
  Streams streams = MakeStreams();
  SyncPair sync = *MakeSyncPair();
  auto pid = sys::Clone3({.flags = CloneFlags(namespaces_)});
  if (!pid.ok()) {
    outcome.start = pid.status();
    return outcome;
  }
  if (*pid == 0) {
    InitContext context;
    context.sync_fd = sync.child.get();
    context.join.user = user_namespace_.get();
    context.stdio[1] = context.stdio[2] = streams.write.get();
    for (const UniqueFd& fd : *id_maps) context.id_maps.push_back(fd.get());
    RunInit(plan, namespaces_, context);
  }
  sync.child.Reset();
  streams.write.Reset();
  EXPECT_TRUE(SendGo(sync.parent.get()).ok());
  Watch(sync.parent.get(), streams.read.get(), outcome);
  if (::testing::Test::HasFatalFailure() || ::testing::Test::HasFailure()) {
    kill(*pid, SIGKILL);
  }
  outcome.exit_code = Reap(*pid);
  return outcome;
}

absl::Status Container::Start(const std::string& script) {
  plan::InitPlan plan = plan_;
  if (!plan.pause()) {
    for (const std::string& arg :
         {std::string("sh"), std::string("-c"), script}) {
      plan.add_args(arg);
    }
  }
  SyncPair sync = *MakeSyncPair();
  auto pid = sys::Clone3({.flags = CloneFlags(namespaces_), .pidfd = &pidfd_});
  if (!pid.ok()) return pid.status();
  if (*pid == 0) {
    InitContext context;
    context.sync_fd = sync.child.get();
    context.join.user = user_namespace_.get();
    RunInit(plan, namespaces_, context);
  }
  pid_ = *pid;
  sync.child.Reset();
  RETURN_IF_ERROR(SendGo(sync.parent.get()));
  Outcome outcome;
  Watch(sync.parent.get(), -1, outcome);
  return outcome.start;
}

Outcome Container::Exec(ExecPlan plan) {
  Outcome outcome;
  Streams streams = MakeStreams();
  SyncPair sync = *MakeSyncPair();
  // The clone goes into the container's PID namespace; what this process
  // clones later must not.
  UniqueFd own(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(setns(pidfd_.get(), CLONE_NEWPID), 0);
  auto pid = sys::Clone3({});
  if (pid.ok() && *pid == 0) {
    ExecContext context;
    context.sync_fd = sync.child.get();
    context.target_pidfd = pidfd_.get();
    context.namespaces =
        (CloneFlags(namespaces_) & ~CLONE_NEWPID) | CLONE_NEWCGROUP;
    context.stdio[1] = context.stdio[2] = streams.write.get();
    RunExec(plan, context);
  }
  EXPECT_EQ(setns(own.get(), CLONE_NEWPID), 0);
  if (!pid.ok()) {
    outcome.start = pid.status();
    return outcome;
  }
  sync.child.Reset();
  streams.write.Reset();
  EXPECT_TRUE(SendGo(sync.parent.get()).ok());
  Watch(sync.parent.get(), streams.read.get(), outcome);
  outcome.exit_code = Reap(*pid);
  return outcome;
}

int Container::Stop(int signal) {
  kill(pid_, signal);
  const int code = Reap(pid_);
  pid_ = -1;
  return code;
}

}  // namespace gantry::init::testing
