#include "shim/loop/child_signal.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "runtime/base/status.h"

namespace gantry::shim {
namespace {

constexpr std::chrono::milliseconds kSoon{10};

}  // namespace

ChildSignal::~ChildSignal() {
  if (fd_.valid()) loop_.Remove(fd_.get());
  loop_.CancelTimer(again_);
}

absl::Status ChildSignal::Begin() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
    return ErrnoStatus(errno, "block SIGCHLD");
  }
  fd_.Reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_.valid()) return ErrnoStatus(errno, "make a signalfd");
  RETURN_IF_ERROR(loop_.Add(fd_.get(), EPOLLIN, [this](uint32_t) {
    OnSignal();
  })) << "watch child signals";
  return absl::OkStatus();
}

void ChildSignal::OnSignal() {
  signalfd_siginfo info;
  // Signals merge: one may stand for many children.
  while (read(fd_.get(), &info, sizeof(info)) == sizeof(info)) {
  }
  Reap();
}

void ChildSignal::Reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0 && errno != ECHILD) {
      loop_.CancelTimer(again_);
      again_ = loop_.AddTimer(kSoon, [this] { Reap(); });
      return;
    }
    if (pid <= 0) return;
    reaped_(pid, status);
  }
}

}  // namespace gantry::shim
