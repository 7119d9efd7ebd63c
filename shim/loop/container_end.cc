#include "shim/loop/container_end.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/sys/atomic_write.h"
#include "shim/donation.h"
#include "shim/process/wait_status.h"

namespace gantry::shim {
namespace {

constexpr std::chrono::milliseconds kStep{5};

int64_t Nanos(std::chrono::nanoseconds duration) { return duration.count(); }

}  // namespace

ContainerEnd::~ContainerEnd() {
  if (timer_.has_value()) parts_.loop.CancelTimer(*timer_);
}

void ContainerEnd::Begin(int wait_status) {
  exited_.set_exit_code(ExitCodeOf(wait_status));
  exited_.set_signal(SignalOf(wait_status));
  exited_.set_finished_at(parts_.clock.UnixNanos());
  began_ = parts_.clock.BootNanos();
  if (parts_.io != nullptr) parts_.io->output().LiftRate();
  Step();
}

void ContainerEnd::Step() {
  if (Settled()) return Conclude();
  timer_ = parts_.loop.AddTimer(kStep, [this] {
    timer_.reset();
    Step();
  });
}

bool ContainerEnd::Settled() {
  const int64_t now = parts_.clock.BootNanos();
  if (!emptied_.has_value()) {
    absl::StatusOr<std::vector<pid_t>> left = parts_.cgroup.Processes(true);
    if (!left.ok() || left->empty()) {
      emptied_ = now;
    } else if (now - began_ > Nanos(kKillPatience)) {
      emptied_ = now;  // it can't be killed; the server's sweep has it
    } else {
      parts_.cgroup.Kill().IgnoreError();
    }
  }
  if (parts_.io != nullptr) parts_.io->output().PumpAll();
  if (!emptied_.has_value()) return false;
  if (!parts_.others_reaped() && now - began_ < Nanos(kKillPatience)) {
    return false;
  }
  if (parts_.io == nullptr || parts_.io->output().Ended()) return true;
  auto patience = kStreamPatience;
  if (parts_.io->output().Blocked()) {
    patience = hurried_ ? kKilledLogPatience : kLogPatience;
  }
  return now - *emptied_ > Nanos(patience);
}

void ContainerEnd::Conclude() {
  if (parts_.io != nullptr) parts_.io->output().Finish();
  absl::StatusOr<uint64_t> kills = parts_.cgroup.OomKills();
  if (kills.ok()) exited_.set_oom_kills(*kills);
  // The callback may destroy this.
  const Done done = std::move(done_);
  const Exited exited = exited_;
  done(exited, WriteExitRecord(parts_.run_directory, exited));
}

absl::Status WriteExitRecord(int run_directory, const Exited& exited) {
  std::string record;
  exited.SerializeToString(&record);
  return sys::AtomicWriteAt(run_directory, kExitRecordName, record, 0600,
                            sys::Durability::kCrash);
}

}  // namespace gantry::shim
