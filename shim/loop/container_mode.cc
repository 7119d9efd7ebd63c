#include "shim/loop/container_mode.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/plan.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/sys/epoll_loop.h"
#include "runtime/sys/file.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/wire/envelope_channel.h"
#include "shim/donation.h"
#include "shim/init/note_step.h"
#include "shim/loop/container_shim.h"
#include "shim/loop/own_process.h"

namespace gantry::shim {
namespace {

// A plan has every variable and mount of a container, but it has an end.
constexpr size_t kMaxPlanBytes = 16 << 20;

// As ps(1) shows it while it waits.
constexpr char kAheadName[] = "gantry-ahead";

absl::StatusOr<std::unique_ptr<plan::ContainerPlan>> ReadPlan() {
  // Whoever made it may have left the offset at its end.
  if (lseek(kPlanFd, 0, SEEK_SET) < 0) {
    return ErrnoStatus(errno, "read the plan");
  }
  ASSIGN_OR_RETURN(const std::string bytes, sys::ReadFd(kPlanFd, kMaxPlanBytes),
                   "read the plan");
  auto plan = std::make_unique<plan::ContainerPlan>();
  if (!plan->ParseFromString(bytes)) {
    return absl::InvalidArgumentError("the plan is not a ContainerPlan");
  }
  return plan;
}

// Until the server has put this process into its cgroup. A server that has
// ended meanwhile, or wants this start no more, is an error: nothing was made
// yet.
absl::Status AwaitPlacement() {
  ASSIGN_OR_RETURN(const sys::Message message,
                   sys::Receive(kHandshakeFd, wire::kMaxMessageBytes),
                   "await the placement in a cgroup");
  if (message.data == kPlaced) return absl::OkStatus();
  return absl::CancelledError("the start was given up before it began");
}

OwnedDonation TakeOwnership(const Donation& numbers) {
  UniqueFd(numbers.plan).Reset();  // was read
  OwnedDonation fds;
  fds.handshake.Reset(numbers.handshake);
  fds.run_directory.Reset(numbers.run_directory);
  fds.log.Reset(numbers.log);
  fds.network.Reset(numbers.network);
  fds.ipc.Reset(numbers.ipc);
  fds.uts.Reset(numbers.uts);
  fds.pid.Reset(numbers.pid);
  fds.user.Reset(numbers.user);
  return fds;
}

// Of a shim that was started ahead: waits for what others are started with.
// False: the server has gone, or needs it no more.
absl::StatusOr<bool> AwaitDonation(char* shown_id) {
  absl::StatusOr<sys::Message> message =
      sys::Receive(kHandshakeFd, wire::kMaxMessageBytes);
  if (!message.ok()) return false;
  // Only the handshake and the standard streams were open.
  for (size_t i = 0; i < message->fds.size(); ++i) {
    const int wanted = kPlanFd + static_cast<int>(i);
    if (message->fds[i].get() != wanted) {
      return absl::InternalError(absl::StrCat(
          "descriptor ", message->fds[i].get(), " was donated as ", wanted));
    }
  }
  for (UniqueFd& fd : message->fds) (void)fd.Release();
  const size_t length = message->data.copy(shown_id, kShownIdLength);
  shown_id[length] = '\0';
  return true;
}

int FailEarly(const absl::Status& why) {
  Envelope event;
  event.set_version(1);
  *event.mutable_start_failed()->mutable_error() = ErrorOf(why);
  wire::SendMessage(kHandshakeFd, event).IgnoreError();
  return 1;
}

}  // namespace

int RunContainerMode(char* shown_id) {
  // Memory that was needed once goes back; what is kept fits in a few pages.
  mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  mallopt(M_TOP_PAD, 16 * 1024);
  mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  const bool ahead =
      shown_id != nullptr && absl::string_view(shown_id) == kStartedAhead;
  absl::Status status;
  if (ahead) {
    status = KeepOnlyFds(kHandshakeFd + 1);
    if (status.ok()) status = sys::Send(kHandshakeFd, kReady);
    if (status.ok()) status = ShieldOwnProcess(kAheadName);
    if (!status.ok()) return FailEarly(status);
    absl::StatusOr<bool> needed = AwaitDonation(shown_id);
    if (!needed.ok()) return FailEarly(needed.status());
    if (!*needed) return 0;
  }
  // Before it is known whether it will be asked for.
  const int64_t begun_at = RealClock().BootNanos();
  absl::StatusOr<std::unique_ptr<plan::ContainerPlan>> plan = ReadPlan();
  if (!plan.ok()) return FailEarly(plan.status());
  Started begun;
  const bool trace = (*plan)->trace_steps();
  if (trace) {
    init::NoteStep("shim: read the plan", begun_at, begun);
    init::NoteStep("shim: shield the process", begun);
  }
  if (ahead) {
    // The rest was done before; what was received is close-on-exec.
    prctl(PR_SET_NAME, kName);
  } else {
    const size_t donated = DonationOrder(**plan).size();
    status = KeepOnlyFds(kFirstDonatedFd + static_cast<int>(donated));
    if (status.ok()) status = ShieldOwnProcess(kName);
    if (!status.ok()) return FailEarly(status);
  }

  if (const int score = (*plan)->shim_oom_score_adj(); score != 0) {
    const absl::Status scored = SetOwnOomScore(score);
    if (!scored.ok()) {
      begun.add_degraded(absl::StrCat("shim oom_score_adj ", score, ": ",
                                      ErrnoName(ErrnoOf(scored))));
    }
  }
  if ((*plan)->cgroup().await_placement()) {
    if (trace) init::NoteStep("shim: wait for its place", begun);
    status = AwaitPlacement();
    if (!status.ok()) return FailEarly(status);
  }
  absl::StatusOr<std::unique_ptr<sys::EpollLoop>> loop =
      sys::EpollLoop::Create();
  if (!loop.ok()) return FailEarly(loop.status());
  const Donation numbers = DonatedNumbers(**plan);
  ContainerShim shim(**loop, RealClock(), *std::move(plan),
                     TakeOwnership(numbers), std::move(begun));
  shim.Start();
  // An error of the loop is the kernel's: leaving is all that is left, and init
  // dies with us.
  (*loop)->Run().IgnoreError();
  return shim.succeeded() ? 0 : 1;
}

}  // namespace gantry::shim
