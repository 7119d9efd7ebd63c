#include "shim/testing/shim_harness.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/cgroup_manager.h"
#include "runtime/cgroup/default_devices.h"
#include "runtime/cgroup/detect.h"
#include "runtime/sys/file.h"
#include "runtime/sys/memfd.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/wire/envelope_channel.h"

namespace gantry::shim::testing {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> value, absl::string_view what) {
  if (!value.ok()) {
    fprintf(stderr, "%s: %s\n", std::string(what).c_str(),
            value.status().ToString().c_str());
    abort();
  }
  return *std::move(value);
}

std::string RunfilePath(absl::string_view path) {
  const char* sources = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (sources == nullptr || workspace == nullptr) return std::string(path);
  return absl::StrCat(sources, "/", workspace, "/", path);
}

const UniqueFd& HostRoot() {
  static const UniqueFd* root =
      new UniqueFd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return *root;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size <= 0) return text;
    text.append(buffer, static_cast<size_t>(size));
  }
}

void AddMount(plan::InitPlan* init, const char* fstype, const char* target,
              std::vector<std::string> options, uint64_t attributes) {
  plan::MountStep* step = init->add_mounts();
  step->set_kind(plan::MountStep::FILESYSTEM);
  step->set_fstype(fstype);
  step->set_source(fstype);
  step->set_target(target);
  step->set_attributes(attributes);
  for (std::string& option : options) step->add_options(std::move(option));
}

void FillRootfsPlan(const std::string& base, plan::RootfsPlan* rootfs) {
  plan::OverlayPlan* overlay = rootfs->mutable_overlay();
  overlay->set_layers_dir(absl::StrCat(base, "/layers"));
  overlay->add_lower_dirs("0");
  overlay->set_upper_dir(absl::StrCat(base, "/upper"));
  overlay->set_work_dir(absl::StrCat(base, "/work"));
  overlay->set_mount_point(absl::StrCat(base, "/merged"));
}

}  // namespace

absl::StatusOr<Received> Client::Next(int timeout_ms) {
  pollfd waiting = {socket_.get(), POLLIN, 0};
  if (poll(&waiting, 1, timeout_ms) != 1) {
    return absl::NotFoundError("no message in time");
  }
  Received received;
  ASSIGN_OR_RETURN(received.fds,
                   wire::ReceiveMessage(socket_.get(), received.message));
  return received;
}

absl::StatusOr<Received> Client::Ask(Envelope request, std::vector<int> fds) {
  request.set_version(1);
  request.set_id(++last_id_);
  RETURN_IF_ERROR(wire::SendMessage(socket_.get(), request, fds));
  for (;;) {
    ASSIGN_OR_RETURN(Received received, Next());
    if (received.message.id() == request.id()) return received;
    events_.push_back(std::move(received));
  }
}

absl::StatusOr<Received> Client::NextEvent(
    const std::function<bool(const Envelope&)>& wanted, int timeout_ms) {
  for (size_t i = 0; i < events_.size(); ++i) {
    if (!wanted(events_[i].message)) continue;
    Received received = std::move(events_[i]);
    events_.erase(events_.begin() + static_cast<ptrdiff_t>(i));
    return received;
  }
  for (;;) {
    ASSIGN_OR_RETURN(Received received, Next(timeout_ms));
    if (wanted(received.message)) return received;
  }
}

const UniqueFd& ShimBinary() {
  static const UniqueFd* binary = [] {
    const std::string path = RunfilePath("shim/gantry-shim");
    UniqueFd file =
        OrDie(sys::OpenAt(AT_FDCWD, path, O_RDONLY), "open gantry-shim");
    return new UniqueFd(
        OrDie(sys::SealedCopy("gantry-shim", file.get()), "seal gantry-shim"));
  }();
  return *binary;
}

ShimHarness::ShimHarness() {
  static int count = 0;
  cgroup_parent_ = absl::StrCat("gantry-test-", getpid());
  cgroup_path_ = absl::StrCat("/", cgroup_parent_, "/c", ++count);
  cgroup::Layout layout =
      OrDie(cgroup::DetectLayout(HostRoot().get()), "detect cgroups");
  hierarchies_ = std::make_unique<cgroup::Hierarchies>(OrDie(
      cgroup::Hierarchies::Open(std::move(layout)), "open cgroup hierarchies"));
  MakeRootfs();
  run_ = OrDie(sys::OpenAt(dir_.fd(), "run", O_RDONLY | O_DIRECTORY), "run");
}

ShimHarness::~ShimHarness() {
  if (spawned_.pidfd.valid()) {
    sys::PidfdSendSignal(spawned_.pidfd.get(), SIGKILL).IgnoreError();
    EXPECT_TRUE(WaitForShim());
  }
  for (const std::string& path : {cgroup_path_, cgroup_parent_}) {
    auto manager = cgroup::Manager::For(*hierarchies_, path);
    if (!manager.ok()) continue;
    manager->Kill().IgnoreError();
    EXPECT_OK(manager->Remove(std::chrono::milliseconds(5000)));
  }
}

void ShimHarness::MakeRootfs() {
  for (const char* name :
       {"run", "upper", "work", "merged", "layers", "layers/0", "layers/0/bin",
        "layers/0/etc", "layers/0/tmp", "layers/0/proc", "layers/0/dev",
        "layers/0/sys"}) {
    if (mkdirat(dir_.fd(), name, 0755) != 0) abort();
  }
  if (fchmodat(dir_.fd(), "run", 0700, 0) != 0 ||
      fchmodat(dir_.fd(), "layers/0/tmp", 01777, 0) != 0) {
    abort();
  }
  const UniqueFd bin = OrDie(
      sys::OpenAt(dir_.fd(), "layers/0/bin", O_RDONLY | O_DIRECTORY), "bin");
  const UniqueFd source =
      OrDie(sys::OpenAt(AT_FDCWD, "/bin/busybox", O_RDONLY), "busybox");
  const std::string text =
      OrDie(sys::ReadFd(source.get(), 16 << 20), "read busybox");
  const UniqueFd copy = OrDie(
      sys::OpenAt(bin.get(), "busybox", O_WRONLY | O_CREAT, 0755), "copy");
  if (!sys::WriteAll(copy.get(), text).ok()) abort();
  for (const char* applet :
       {"sh", "cat", "echo", "sleep", "ls", "true", "false", "id", "stty",
        "seq", "kill", "dd", "yes", "head", "tail", "wc", "env", "ps"}) {
    if (symlinkat("busybox", bin.get(), applet) != 0) abort();
  }
}

std::string ShimHarness::Path(absl::string_view name) const {
  return absl::StrCat(dir_.path(), "/", name);
}

plan::ContainerPlan ShimHarness::MakePlan(std::vector<std::string> args) const {
  plan::ContainerPlan plan;
  plan.set_container_id(cgroup_path_);
  plan.mutable_cgroup()->set_path(cgroup_path_);
  for (const cgroup::Hierarchy& hierarchy :
       hierarchies_->layout().hierarchies) {
    plan::CgroupHierarchy* out = plan.mutable_cgroup()->add_hierarchies();
    out->set_mount_path(hierarchy.mount_path);
    out->set_unified(hierarchy.version == cgroup::Version::kV2);
    for (const std::string& controller : hierarchy.controllers) {
      out->add_controllers(controller);
    }
  }
  for (const cgroup::DeviceRule& rule : cgroup::DefaultDeviceRules()) {
    spec::DeviceRule* out = plan.mutable_cgroup()->add_device_rules();
    out->set_allow(rule.allow);
    out->set_type(std::string(1, rule.type));
    if (rule.major.has_value()) out->set_major(*rule.major);
    if (rule.minor.has_value()) out->set_minor(*rule.minor);
    out->set_access(rule.access);
  }
  plan::NamespacePlan* namespaces = plan.mutable_namespaces();
  namespaces->set_mount(plan::NamespacePlan::NEW);
  namespaces->set_network(plan::NamespacePlan::NEW);
  namespaces->set_pid(plan::NamespacePlan::NEW);
  namespaces->set_ipc(plan::NamespacePlan::NEW);
  namespaces->set_uts(plan::NamespacePlan::NEW);
  namespaces->set_cgroup(plan::NamespacePlan::NEW);
  plan::InitPlan* init = plan.mutable_init();
  FillRootfsPlan(dir_.path(), init->mutable_rootfs());
  AddMount(init, "proc", "/proc", {},
           MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  AddMount(init, "tmpfs", "/dev", {"mode=755", "size=65536k"},
           MOUNT_ATTR_NOSUID);
  AddMount(init, "devpts", "/dev/pts",
           {"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
           MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  plan::DeviceNode* null = init->add_devices();
  null->set_path("/dev/null");
  null->set_type("c");
  null->set_major(1);
  null->set_minor(3);
  null->set_mode(0666);
  init->set_hostname("shim-test");
  for (std::string& arg : args) init->add_args(std::move(arg));
  init->add_env("PATH=/bin");
  init->set_cwd("/");
  plan::Identity* identity = init->mutable_identity();
  const uint64_t caps = 0x00000000a80425fb;  // the usual set of containers
  identity->set_cap_bounding(caps);
  identity->set_cap_effective(caps);
  identity->set_cap_permitted(caps);
  identity->set_umask(022);
  plan.mutable_stdio()->set_log_path(Path("log"));
  return plan;
}

std::unique_ptr<Client> ShimHarness::Launch(const plan::ContainerPlan& plan,
                                            Donation donation) {
  auto pair = OrDie(sys::SocketPair(), "socket pair");
  const UniqueFd plan_fd =
      OrDie(sys::SealedMemfd("plan", plan.SerializeAsString()), "plan");
  UniqueFd log;
  if (!plan.stdio().log_path().empty()) {
    log = OrDie(sys::OpenAt(AT_FDCWD, plan.stdio().log_path(),
                            O_WRONLY | O_CREAT | O_APPEND, 0600),
                "open log");
  }
  donation.handshake = pair.second.get();
  donation.plan = plan_fd.get();
  donation.run_directory = run_.get();
  donation.log = log.get();
  const std::vector<int> fds = OrDie(DonatedFds(plan, donation), "donate");
  sys::SpawnRequest request;
  request.exec_fd = ShimBinary().get();
  request.argv = {"gantry-shim", kContainerMode, "test"};
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = getenv(name); value != nullptr) {
      request.env.push_back(absl::StrCat(name, "=", value));
    }
  }
  for (size_t i = 0; i < fds.size(); ++i) {
    request.fds.push_back({fds[i], kFirstDonatedFd + static_cast<int>(i)});
  }
  request.detached = true;
  request.group = sys::ProcessGroup::kOwnSession;
  spawned_ = OrDie(sys::Spawner().Spawn(request), "spawn gantry-shim");
  return std::make_unique<Client>(std::move(pair.first));
}

std::unique_ptr<Client> ShimHarness::Start(const plan::ContainerPlan& plan,
                                           Donation donation) {
  std::unique_ptr<Client> client = Launch(plan, donation);
  const Received first = OrDie(client->Next(20000), "wait for Started");
  if (!first.message.has_started()) {
    fprintf(stderr, "not started: %s\n",
            first.message.start_failed().error().message().c_str());
    abort();
  }
  started_ = first.message.started();
  return client;
}

std::unique_ptr<Client> ShimHarness::Connect() {
  return std::make_unique<Client>(
      OrDie(sys::ConnectAt(run_.get(), kSocketName), "connect to the shim"));
}

absl::StatusOr<ShimHarness::ExecOutcome> ShimHarness::Exec(
    Client& client, std::vector<std::string> args, absl::string_view input) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) abort();
  UniqueFd in_read(in[0]);
  UniqueFd in_write(in[1]);
  UniqueFd out_read(out[0]);
  UniqueFd out_write(out[1]);
  Envelope request;
  ExecRequest* exec = request.mutable_exec_request();
  const std::string id = absl::StrCat("exec", ++execs_);
  exec->set_exec_id(id);
  for (std::string& arg : args) exec->add_args(std::move(arg));
  exec->set_has_stdin(true);
  exec->set_has_stdout(true);
  exec->set_has_stderr(true);
  ASSIGN_OR_RETURN(
      Received answer,
      client.Ask(request, {in_read.get(), out_write.get(), out_write.get()}));
  in_read.Reset();
  out_write.Reset();
  if (answer.message.has_error()) {
    return absl::Status(
        static_cast<absl::StatusCode>(answer.message.error().code()),
        answer.message.error().message());
  }
  RETURN_IF_ERROR(sys::WriteAll(in_write.get(), input));
  in_write.Reset();
  ExecOutcome outcome;
  outcome.output = ReadAll(out_read.get());
  ASSIGN_OR_RETURN(Received ended, client.NextEvent([&](const Envelope& event) {
    return event.has_exec_exited() && event.exec_exited().exec_id() == id;
  }));
  outcome.exit_code = ended.message.exec_exited().exit_code();
  return outcome;
}

std::vector<std::string> ShimHarness::LogLines() const {
  auto text = sys::ReadFileAt(dir_.fd(), "log", 64 << 20);
  std::vector<std::string> lines;
  if (!text.ok()) return lines;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (line.size() > 31) lines.emplace_back(line.substr(31));
  }
  return lines;
}

std::vector<std::string> ShimHarness::WaitForLogLines(size_t count) const {
  for (int i = 0; i < 1000; ++i) {
    std::vector<std::string> lines = LogLines();
    if (lines.size() >= count) return lines;
    usleep(10000);
  }
  return LogLines();
}

bool ShimHarness::WaitForShim(int timeout_ms) const {
  auto exited = sys::PidfdExited(spawned_.pidfd.get(),
                                 std::chrono::milliseconds(timeout_ms));
  return exited.ok() && *exited;
}

std::optional<Exited> ShimHarness::ExitRecord() const {
  auto text = sys::ReadFileAt(run_.get(), kExitRecordName);
  Exited exited;
  if (!text.ok() || !exited.ParseFromString(*text)) return std::nullopt;
  return exited;
}

std::vector<std::string> ShimHarness::CgroupDirectories() const {
  std::vector<std::string> found;
  for (const cgroup::Hierarchy& hierarchy :
       hierarchies_->layout().hierarchies) {
    std::string path = absl::StrCat(hierarchy.mount_path, cgroup_path_);
    if (access(path.c_str(), F_OK) == 0) found.push_back(std::move(path));
  }
  return found;
}

MachineState ReadMachineState() {
  MachineState state;
  state.mounts =
      OrDie(sys::ReadFileAt(AT_FDCWD, "/proc/self/mountinfo"), "mountinfo");
  const cgroup::Layout layout =
      OrDie(cgroup::DetectLayout(HostRoot().get()), "detect cgroups");
  for (const cgroup::Hierarchy& hierarchy : layout.hierarchies) {
    for (const sys::DirEntry& entry : OrDie(
             sys::ListDirAt(AT_FDCWD, hierarchy.mount_path), "list cgroups")) {
      if (absl::StartsWith(entry.name,
                           absl::StrCat("gantry-test-", getpid()))) {
        state.cgroups.push_back(
            absl::StrCat(hierarchy.mount_path, "/", entry.name));
      }
    }
  }
  return state;
}

}  // namespace gantry::shim::testing
