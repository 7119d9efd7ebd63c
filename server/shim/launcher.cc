#include "server/shim/launcher.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "proto/plan.pb.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "runtime/sys/memfd.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "server/shim/await.h"
#include "server/shim/envelope.h"
#include "shim/donation.h"
#include "shim/pin/pin_args.h"

namespace gantry::shim_client {
namespace {

// Not while the pod or the container is made that took a spare.
constexpr absl::Duration kSpareDelay = absl::Milliseconds(100);
// For the kernel to end a process that was killed.
constexpr absl::Duration kDeathTimeout = absl::Seconds(2);

absl::StatusOr<UniqueFd> OpenBinary(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd binary, sys::OpenAt(AT_FDCWD, path, O_RDONLY));
  struct stat info;
  if (::fstat(binary.get(), &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("stat ", path));
  }
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IXUSR) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not an executable file"));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
      (info.st_uid != 0 && info.st_uid != ::geteuid())) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " could be changed by others: owner ", info.st_uid,
                     ", mode ", absl::Hex(info.st_mode & 07777)));
  }
  char magic[SELFMAG] = {};
  if (::pread(binary.get(), magic, SELFMAG, 0) != SELFMAG ||
      absl::string_view(magic, SELFMAG) != ELFMAG) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not an ELF program"));
  }
  return binary;
}

// Whether who pins namespaces was ended midway; the caller takes them down.
bool HasPins(int run_dir) {
  for (const char* name :
       {shim::kPinnedUser, shim::kPinnedNet, shim::kPinnedIpc, shim::kPinnedUts,
        shim::kPinnedShm}) {
    if (sys::ExistsAt(run_dir, name)) return true;
  }
  return false;
}

// The order and number of what is donated must be what the plan says, or the
// shim would take one descriptor for another.
absl::Status CheckDonation(const LaunchRequest& request) {
  plan::ContainerPlan plan;
  if (!plan.ParseFromString(request.plan)) {
    return absl::InvalidArgumentError("the plan cannot be parsed");
  }
  // Handshake, plan and run directory come always.
  const size_t given =
      3 + (request.log_fd >= 0 ? 1 : 0) + request.join_fds.size();
  const size_t wanted = shim::DonationOrder(plan).size();
  const bool wants_log = !plan.stdio().log_path().empty();
  if (plan.cgroup().await_placement() != static_cast<bool>(request.place)) {
    return absl::InvalidArgumentError(
        "the plan and the request differ on whether the shim is placed");
  }
  if (given == wanted && wants_log == (request.log_fd >= 0)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the plan wants ", wanted, " descriptors",
                   wants_log ? " and" : " but no", " log; given are ", given,
                   request.log_fd >= 0 ? " with" : " without", " log"));
}

// The path below /proc/sys of a key, as sysctl(8) reads it: whichever of '.'
// and '/' comes first separates, the other is part of a name.
std::string SysctlPath(std::string key) {
  const size_t separator = key.find_first_of("./");
  if (separator == std::string::npos || key[separator] == '/') return key;
  for (char& c : key) {
    if (c == '.') {
      c = '/';
    } else if (c == '/') {
      c = '.';
    }
  }
  return key;
}

void NoteStep(const LaunchRequest& request, absl::string_view name) {
  if (request.on_step) request.on_step(name);
}

shim::IdRange RangeOf(const spec::IdMapping& mapping) {
  return {mapping.container_id(), mapping.host_id(), mapping.length()};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Launcher>> Launcher::Create(
    const std::string& shim_path, work::LoopThread& loop,
    work::Executor& executor, LauncherOptions options) {
  ASSIGN_OR_RETURN(UniqueFd file, OpenBinary(shim_path), "use the shim");
  ASSIGN_OR_RETURN(UniqueFd binary, sys::SealedCopy(shim::kName, file.get()));
  ASSIGN_OR_RETURN(UniqueFd for_pods, sys::Duplicate(binary.get()));
  ASSIGN_OR_RETURN(UniqueFd for_containers, sys::Duplicate(binary.get()));
  return std::unique_ptr<Launcher>(new Launcher(
      std::move(binary), std::make_shared<SpareNamespaces>(std::move(for_pods)),
      std::make_shared<SpareShim>(std::move(for_containers)), loop, executor,
      options));
}

Launcher::Launcher(UniqueFd binary,
                   std::shared_ptr<SpareNamespaces> spare_namespaces,
                   std::shared_ptr<SpareShim> spare_shim,
                   work::LoopThread& loop, work::Executor& executor,
                   LauncherOptions options)
    : binary_(std::move(binary)),
      spare_namespaces_(std::move(spare_namespaces)),
      spare_shim_(std::move(spare_shim)),
      loop_(loop),
      executor_(executor),
      options_(options) {}

work::Task<absl::StatusOr<Launched>> Launcher::Launch(LaunchRequest request) {
  NoteStep(request, "execute the shim");
  CO_RETURN_IF_ERROR(CheckDonation(request));
  CO_ASSIGN_OR_RETURN(UniqueFd plan, sys::SealedMemfd("plan", request.plan));
  std::vector<int> donated;
  donated.push_back(plan.get());
  donated.push_back(request.run_dir_fd);
  if (request.log_fd >= 0) donated.push_back(request.log_fd);
  donated.insert(donated.end(), request.join_fds.begin(),
                 request.join_fds.end());
  const std::string shown_id =
      request.container_id.substr(0, shim::kShownIdLength);
  auto start = [&] {
    return StartShim(binary_.get(),
                     {shim::kName, shim::kContainerMode, shown_id}, donated);
  };
  std::optional<ShimProcess> taken = spare_shim_->Take(shown_id, donated);
  const bool is_spare = taken.has_value();
  if (!is_spare) {
    CO_ASSIGN_OR_RETURN(taken, start(), "execute the shim");
  }
  ShimProcess shim = *std::move(taken);
  absl::Status placed = co_await Place(shim, request);
  if (!placed.ok()) {
    co_await End(std::move(shim), absl::ZeroDuration());
    co_return placed;
  }

  NoteStep(request, "wait for the start");
  auto await_first = [&] {
    return AwaitMessage(loop_, executor_, shim.socket.get(), shim.pidfd.get(),
                        options_.start_timeout);
  };
  absl::StatusOr<Incoming> first = co_await await_first();
  if (is_spare && !request.place && ErrnoOf(first.status()) == ECONNRESET) {
    // It was killed before it read what it is for, so it has made nothing.
    LOG(WARNING) << "shim " << shim.pid
                 << ", started ahead, was lost: " << first.status();
    co_await End(std::move(shim), absl::ZeroDuration());
    CO_ASSIGN_OR_RETURN(shim, start(), "execute the shim");
    first = co_await await_first();
  }
  plan.Reset();
  if (first.ok() && first->envelope.has_start_failed()) {
    // It has undone everything and ends by itself.
    co_return StatusOfError(first->envelope.start_failed().error());
  }
  absl::Status failed = Annotate(
      first.status(), absl::StrCat("await the start by shim ", shim.pid));
  if (first.ok() && !first->envelope.has_started()) {
    failed = absl::InternalError(absl::StrCat("shim ", shim.pid,
                                              " began with message ",
                                              first->envelope.body_case()));
  }
  // Duplicated first: from here on nothing fails, for what runs must have a
  // client.
  absl::StatusOr<UniqueFd> run_dir = sys::Duplicate(request.run_dir_fd);
  if (failed.ok()) failed = run_dir.status();
  if (!failed.ok()) {
    co_await End(std::move(shim), options_.give_up_timeout);
    co_return failed;
  }
  Launched launched;
  launched.started = std::move(*first->envelope.mutable_started());
  launched.client = ShimClient::Adopt(loop_, executor_, std::move(shim.socket),
                                      shim.pid, std::move(shim.pidfd),
                                      *std::move(run_dir), options_.client);
  MakeShimLater();
  co_return launched;
}

work::Task<absl::Status> Launcher::Place(const ShimProcess& shim,
                                         const LaunchRequest& request) {
  if (!request.place) co_return absl::OkStatus();
  NoteStep(request, "place the shim");
  absl::Status placed = co_await request.place(shim.pid);
  if (placed.ok()) placed = sys::Send(shim.socket.get(), shim::kPlaced);
  co_return Annotate(placed, absl::StrCat("place shim ", shim.pid));
}

work::Task<void> Launcher::End(ShimProcess shim, absl::Duration patience) {
  // 1. A shim in mid-start takes this as the wish to undo it all.
  if (patience > absl::ZeroDuration() && shim.socket) {
    shim::Envelope give_up;
    give_up.set_version(kProtocolVersion);
    give_up.set_id(1);
    give_up.mutable_signal_request()->set_signal(SIGKILL);
    give_up.mutable_signal_request()->set_all(true);
    std::vector<UniqueFd> none;
    absl::Status sent = SendEnvelope(shim.socket.get(), give_up, none);
    if (sent.ok()) {
      const bool ended =
          co_await AwaitDeath(loop_, executor_, shim.pidfd.get(), patience);
      if (ended) co_return;
    }
  }
  // 2. The hard way; what it leaves behind is the caller's to sweep.
  absl::Status killed = sys::PidfdSendSignal(shim.pidfd.get(), SIGKILL);
  const bool ended =
      co_await AwaitDeath(loop_, executor_, shim.pidfd.get(), kDeathTimeout);
  LOG_IF(ERROR, !ended) << "shim " << shim.pid
                        << " does not end after SIGKILL: " << killed;
}

// Shared by both: what was begun may end after this.
void Launcher::MakeNamespacesLater(shim::PinRequest pin) {
  if (!SpareNamespaces::CanBeFor(pin)) return;
  MakeLater([spare = spare_namespaces_,
             pin = std::move(pin)] { return spare->Make(pin); },
            &namespaces_timer_);
}

void Launcher::MakeShimLater() {
  MakeLater([spare = spare_shim_] { return spare->Make(); }, &shim_timer_);
}

void Launcher::MakeLater(std::function<absl::Status()> make,
                         work::Timeout* timer) {
  auto run = [make = std::move(make)] {
    const absl::Status made = make();
    LOG_IF(WARNING, !made.ok()) << made;
  };
  auto fire = [&executor = executor_, run = std::move(run)]() mutable {
    executor.Post(std::move(run));
  };
  absl::MutexLock lock(&mutex_);
  *timer = loop_.SetTimeout(kSpareDelay, std::move(fire));
}

work::Task<absl::Status> Launcher::PinNamespaces(PinRequest request) {
  shim::PinRequest pin;
  pin.net = request.network;
  pin.ipc = request.ipc;
  pin.uts = request.uts;
  if (request.user.has_value()) {
    pin.user = shim::UserNamespace{RangeOf(request.user->uids()),
                                   RangeOf(request.user->gids())};
  }
  pin.hostname = request.hostname;
  pin.shm_size = request.shm_size;
  pin.shm_context = request.shm_context;
  for (const auto& [key, value] : request.sysctls) {
    pin.sysctls.emplace_back(SysctlPath(key), value);
  }
  auto start = [&] {
    std::vector<int> donated;
    donated.push_back(request.run_dir_fd);
    return StartShim(binary_.get(), shim::PinArguments(pin), donated);
  };
  auto await_pinned = [this](ShimProcess shim) -> work::Task<absl::Status> {
    absl::StatusOr<Incoming> answer =
        co_await AwaitMessage(loop_, executor_, shim.socket.get(),
                              shim.pidfd.get(), options_.pin_timeout);
    if (!answer.ok()) {
      co_await End(std::move(shim), absl::ZeroDuration());
      co_return answer.status();
    }
    if (answer->envelope.has_error()) {
      co_return StatusOfError(answer->envelope.error());
    }
    if (answer->envelope.has_done()) co_return absl::OkStatus();
    co_return absl::InternalError(
        absl::StrCat("unexpected answer ", answer->envelope.body_case()));
  };
  std::optional<ShimProcess> shim =
      spare_namespaces_->Take(pin, request.run_dir_fd);
  const bool is_spare = shim.has_value();
  if (!is_spare) {
    CO_ASSIGN_OR_RETURN(shim, start(), "execute the shim");
  }
  if (request.meanwhile) request.meanwhile();
  absl::Status status = co_await await_pinned(*std::move(shim));
  if (!status.ok() && is_spare && !HasPins(request.run_dir_fd)) {
    // What failed when they were made ahead need not fail now.
    LOG(WARNING) << "namespaces made ahead, now made anew: " << status;
    CO_ASSIGN_OR_RETURN(shim, start(), "execute the shim");
    status = co_await await_pinned(*std::move(shim));
  }
  CO_RETURN_IF_ERROR(status) << "pin namespaces";
  MakeNamespacesLater(std::move(pin));
  co_return absl::OkStatus();
}

}  // namespace gantry::shim_client
