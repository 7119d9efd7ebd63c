#include "shim/loop/container_shim.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/spare_memory.h"
#include "runtime/wire/envelope_channel.h"
#include "shim/donation.h"
#include "shim/init/id_maps.h"
#include "shim/init/init.h"
#include "shim/init/note_step.h"
#include "shim/loop/own_process.h"
#include "shim/process/exec_template.h"

namespace gantry::shim {
namespace {

using plan::NamespacePlan;

constexpr std::chrono::milliseconds kFarewell{500};
constexpr std::chrono::milliseconds kFarewellStep{5};
constexpr std::chrono::milliseconds kKillPatience{2000};
// Between attempts to write exit.pb.
constexpr std::chrono::milliseconds kRecordPause{1000};
// After a start.
constexpr std::chrono::milliseconds kSettled{200};

absl::Status CheckPlan(const plan::ContainerPlan& plan) {
  const NamespacePlan& namespaces = plan.namespaces();
  if (namespaces.mount() != NamespacePlan::NEW) {
    return absl::InvalidArgumentError(
        "the plan gives the container no mount namespace of its own");
  }
  if (namespaces.user() == NamespacePlan::NEW) {
    return absl::InvalidArgumentError(
        "the plan asks for a new user namespace without id mappings");
  }
  if (namespaces.cgroup() == NamespacePlan::JOIN) {
    return absl::InvalidArgumentError(
        "the plan asks to join a cgroup namespace");
  }
  return absl::OkStatus();
}

}  // namespace

Error ErrorOf(const absl::Status& status) {
  Error error;
  error.set_code(static_cast<int>(status.code()));
  error.set_message(std::string(status.message()));
  error.set_errno_value(ErrnoOf(status));
  return error;
}

ContainerShim::ContainerShim(sys::EpollLoop& loop, const Clock& clock,
                             std::unique_ptr<plan::ContainerPlan> plan,
                             OwnedDonation donated, Started begun)
    : loop_(loop),
      clock_(clock),
      plan_(std::move(plan)),
      donated_(std::move(donated)),
      children_(loop, [this](pid_t pid, int status) { OnReaped(pid, status); }),
      server_(
          loop,
          [this](ClientId client, Envelope request, std::vector<UniqueFd> fds) {
            OnRequest(client, std::move(request), std::move(fds));
          }),
      started_(std::move(begun)) {}

void ContainerShim::Start() {
  const absl::Status status = TryStart();
  if (!status.ok()) Fail(status);
}

void ContainerShim::Enter(absl::string_view step) {
  if (plan_->trace_steps()) init::NoteStep(step, started_);
}

absl::Status ContainerShim::TryStart() {
  Enter("shim: listen");
  ASSIGN_OR_RETURN(starter_, server_.Adopt(donated_.handshake));
  RETURN_IF_ERROR(CheckPlan(*plan_));
  RETURN_IF_ERROR(children_.Begin());
  RETURN_IF_ERROR(server_.Listen(donated_.run_directory.get(), kSocketName));
  listening_ = true;
  Enter("shim: make the cgroup");
  ASSIGN_OR_RETURN(std::unique_ptr<ContainerCgroup> cgroup,
                   ContainerCgroup::Open(plan_->cgroup()));
  RETURN_IF_ERROR(cgroup->Create(plan_->cgroup()));
  cgroup_ = std::move(cgroup);
  if (!plan_->init().pause()) {
    Enter("shim: set up streams");
    ASSIGN_OR_RETURN(io_, ContainerIo::Make(loop_, clock_, plan_->stdio(),
                                            std::move(donated_.log)));
  }
  Enter("shim: clone init");
  RETURN_IF_ERROR(CloneInit());
  setup_ = std::make_unique<SetupWatch>(
      loop_, std::move(init_.sync),
      [this](SetupResult result) { OnSetup(std::move(result)); });
  return setup_->Begin();
}

absl::Status ContainerShim::CloneInit() {
  const NamespacePlan& namespaces = plan_->namespaces();
  ASSIGN_OR_RETURN(std::vector<UniqueFd> id_maps,
                   init::MakeIdMaps(plan_->init()));
  if (namespaces.pid() == NamespacePlan::JOIN) {
    RETURN_IF_ERROR(sys::SetNs(donated_.pid.get(), CLONE_NEWPID));
  }
  init::InitContext context;
  context.trace_steps = plan_->trace_steps();
  context.join.network = donated_.network.get();
  context.join.ipc = donated_.ipc.get();
  context.join.uts = donated_.uts.get();
  context.join.user = donated_.user.get();
  for (const UniqueFd& fd : id_maps) context.id_maps.push_back(fd.get());
  if (io_ != nullptr) {
    for (int i = 0; i < 3; ++i) context.stdio[i] = io_->child_fd(i);
  }
  ASSIGN_OR_RETURN(
      init_,
      StartChild(cgroup_->manager(), /*group=*/nullptr,
                 CloneNamespaces(namespaces), [this, &context](int sync_fd) {
                   context.sync_fd = sync_fd;
                   init::RunInit(plan_->init(), plan_->namespaces(), context);
                 }));
  // Before it can have been reaped: a program that ends at once may have been
  // when its READY is read.
  ASSIGN_OR_RETURN(const uint64_t start_ticks, StartTicksOf(init_.pid));
  started_.set_start_ticks(start_ticks);
  if (io_ != nullptr) io_->CloseChildEnds();
  donated_.network.Reset();
  donated_.ipc.Reset();
  donated_.uts.Reset();
  donated_.pid.Reset();
  donated_.user.Reset();
  // From now on children are born where the container's processes live.
  if (namespaces.pid() == NamespacePlan::NEW) {
    // On failure either it has ended already and the exit will tell, or no
    // exec may ever run, for it would run among the host's processes.
    exec_ready_ = sys::SetNs(init_.pidfd.get(), CLONE_NEWPID);
  }
  return absl::OkStatus();
}

void ContainerShim::OnSetup(SetupResult result) {
  setup_.reset();
  absl::Status status = result.status;
  if (status.ok()) status = BecomeRunning(result);
  if (!status.ok()) Fail(status);
}

absl::Status ContainerShim::BecomeRunning(SetupResult& result) {
  started_.mutable_steps()->MergeFrom(result.ready.steps());
  Enter("shim: tell the server");
  if (result.console.valid()) {
    if (io_ == nullptr) return absl::InternalError("a pause has a terminal");
    RETURN_IF_ERROR(io_->SetConsole(std::move(result.console)));
  }
  ASSIGN_OR_RETURN(const uint64_t shim_start_ticks, StartTicksOf(getpid()));
  started_.set_shim_pid(getpid());
  started_.set_shim_start_ticks(shim_start_ticks);
  *started_.mutable_user() = result.ready.user();
  for (const std::string& line : result.ready.degraded()) {
    started_.add_degraded(line);
  }
  started_.set_started_at(clock_.UnixNanos());
  started_.set_pid(init_.pid);
  execs_ = std::make_unique<ExecTable>(
      loop_, cgroup_->manager(), MakeExecTemplate(*plan_), init_.pidfd.get());
  plan_.reset();
  Envelope event;
  event.set_version(1);
  *event.mutable_started() = started_;
  server_.Send(starter_, event);
  // Nobody else asks for them.
  started_.clear_steps();
  // From a shallow stack, and when what a start brings is over.
  loop_.AddTimer(kSettled, [] { sys::GiveBackSpareMemory(); });
  return absl::OkStatus();
}

void ContainerShim::Fail(const absl::Status& why) {
  setup_.reset();
  if (init_.pid > 0) {
    sys::PidfdSendSignal(init_.pidfd.get(), SIGKILL).IgnoreError();
    sys::PidfdExited(init_.pidfd.get(), kKillPatience).status().IgnoreError();
    waitpid(init_.pid, nullptr, WNOHANG | __WALL);
    init_.pid = -1;
  }
  if (cgroup_ != nullptr) cgroup_->Destroy().IgnoreError();
  if (listening_) {
    sys::UnlinkAt(donated_.run_directory.get(), kSocketName).IgnoreError();
  }
  Envelope event;
  event.set_version(1);
  *event.mutable_start_failed()->mutable_error() = ErrorOf(why);
  if (!server_.Send(starter_, event)) {
    // The server that started this could not be made a client.
    wire::SendMessage(donated_.handshake.get(), event).IgnoreError();
  }
  loop_.Stop();
}

void ContainerShim::OnReaped(pid_t pid, int wait_status) {
  if (pid == init_.pid) return OnInitEnded(wait_status);
  // Others than execs are orphans of the container's that came to us.
  if (execs_ != nullptr) execs_->Reaped(pid, wait_status);
}

void ContainerShim::OnInitEnded(int wait_status) {
  // All it said is there: this calls OnSetup.
  if (setup_ != nullptr) setup_->Poll();
  init_.pid = -1;
  if (started_.pid() == 0) {
    if (setup_ != nullptr) Fail(absl::InternalError("init is gone"));
    return;  // failed, and said so
  }
  end_ = std::make_unique<ContainerEnd>(
      ContainerEnd::Parts{loop_, clock_, cgroup_->manager(), io_.get(),
                          donated_.run_directory.get(),
                          [this] { return execs_->empty(); }},
      [this](const Exited& exited, const absl::Status& recorded) {
        OnEnded(exited, recorded);
      });
  if (killed_) end_->Hurry();
  end_->Begin(wait_status);
}

void ContainerShim::OnEnded(const Exited& exited,
                            const absl::Status& recorded) {
  exited_ = exited;
  recorded_ = recorded;
  Envelope event;
  event.set_version(1);
  *event.mutable_exited() = exited;
  server_.Broadcast(event);
  LeaveWhenSent(clock_.BootNanos() +
                std::chrono::nanoseconds(kFarewell).count());
}

void ContainerShim::LeaveWhenSent(int64_t give_up_at) {
  const bool sent = server_.AllSent() &&
                    (io_ == nullptr || io_->output().attached().AllSent());
  if (sent || clock_.BootNanos() >= give_up_at) return Leave();
  loop_.AddTimer(kFarewellStep,
                 [this, give_up_at] { LeaveWhenSent(give_up_at); });
}

void ContainerShim::Leave() {
  // What can't be removed now is the server's to sweep.
  cgroup_->Destroy().IgnoreError();
  LeaveOnceRecorded();
}

void ContainerShim::LeaveOnceRecorded() {
  // The directory goes with the container: then nobody will ask.
  if (!recorded_.ok() && ErrnoOf(recorded_) != ENOENT) {
    loop_.AddTimer(kRecordPause, [this] {
      recorded_ = WriteExitRecord(donated_.run_directory.get(), *exited_);
      LeaveOnceRecorded();
    });
    return;
  }
  sys::UnlinkAt(donated_.run_directory.get(), kSocketName).IgnoreError();
  loop_.Stop();
}

}  // namespace gantry::shim
