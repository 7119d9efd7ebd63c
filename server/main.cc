// gantryd: the command line, and the life of the process around the daemon.

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/spare_memory.h"
#include "server/apparmor.h"
#include "server/config.h"
#include "server/cri/version.h"
#include "server/daemon.h"
#include "server/kernel.h"

namespace gantry::server {
namespace {

// Threads share a few heaps: one each would cost megabytes that stay.
constexpr int kHeaps = 2;
// After the start: clients have connected, and asked what they ask at first.
constexpr timespec kSettled = {.tv_sec = 2, .tv_nsec = 0};

void InitLog(const char* program, LogLevel level) {
  FLAGS_logtostderr = true;
  FLAGS_v = level == LogLevel::kDebug ? 1 : 0;
  switch (level) {
    case LogLevel::kError:
      FLAGS_minloglevel = google::GLOG_ERROR;
      break;
    case LogLevel::kWarning:
      FLAGS_minloglevel = google::GLOG_WARNING;
      break;
    default:
      FLAGS_minloglevel = google::GLOG_INFO;
      break;
  }
  google::InitGoogleLogging(program);
}

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Gives the signal. Meanwhile, what only the start had use for is given back.
int AwaitEnd() {
  const sigset_t signals = EndSignals();
  int signal = sigtimedwait(&signals, nullptr, &kSettled);
  if (signal > 0) return signal;
  malloc_trim(0);
  sys::ForgetIdleCode();
  // A wait that fails is no reason to end.
  while ((signal = sigwaitinfo(&signals, nullptr)) < 0) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  return signal;
}

absl::Status CheckHost() {
  RETURN_IF_ERROR(CheckRoot(geteuid()));
  ASSIGN_OR_RETURN(UniqueFd root,
                   sys::OpenAt(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY));
  return CheckKernel(root.get(), HasSystemCall);
}

// Containers do without the profile, but for those that ask for it.
void LoadAppArmorProfile() {
  absl::StatusOr<UniqueFd> root =
      sys::OpenAt(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
  const absl::Status status =
      root.ok() ? EnsureAppArmorDefault(root->get(), AppArmorParsers())
                : root.status();
  if (!status.ok()) LOG(WARNING) << status.message();
}

void TellError(const absl::Status& error) {
  fprintf(stderr, "gantryd: %s\n", std::string(error.message()).c_str());
}

[[noreturn]] void EndAtOnce(const absl::Status& error) {
  TellError(error);
  google::FlushLogFiles(google::GLOG_INFO);
  _exit(1);
}

// Returns how the process shall end, after SIGTERM or SIGINT.
absl::StatusOr<int> Run(const Config& config) {
  RETURN_IF_ERROR(CheckHost());
  LoadAppArmorProfile();
  ASSIGN_OR_RETURN(std::unique_ptr<Daemon> daemon, Daemon::Start(config));
  RETURN_IF_ERROR(daemon->Serve());
  sd_notify(0, "STATUS=recovering what the server before has left");
  if (absl::Status recovered = daemon->Recover(); !recovered.ok()) {
    // Calls wait for what will not come.
    EndAtOnce(recovered);
  }
  fprintf(stderr, "gantryd ready on unix://%s\n", config.socket.c_str());
  // Where a service manager waits for it (Type=notify); elsewhere nothing.
  sd_notify(0, "READY=1\nSTATUS=");

  const int signal = AwaitEnd();
  const sigset_t signals = EndSignals();
  // A second one ends the process at once: that is what is left of them.
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  sd_notify(0, "STOPPING=1");
  LOG(INFO) << "gantryd ends (" << strsignal(signal) << "); containers run on";
  if (!daemon->Drain()) {
    LOG(WARNING) << "calls under way did not end in time; what they left "
                    "unfinished is finished by the next start";
    google::FlushLogFiles(google::GLOG_INFO);
    _exit(0);
  }
  return 0;
}

int Main(int argc, char** argv) {
  mallopt(M_ARENA_MAX, kHeaps);
  // Debian builds Abseil with its checks, of which this one remembers which
  // mutex is locked inside of which, in memory that only grows, and looks at
  // each lock. Tests do without this line, so cycles are found there.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app("gantryd: the Gantry container runtime, serving CRI v1");
  std::string config_path;
  ConfigFlags flags;
  app.add_option(
      "--config", config_path,
      std::string("configuration file (") + kDefaultConfigPath + ")");
  app.add_option("--root", flags.root, "directory of records and images");
  app.add_option("--run", flags.run, "directory of what ends with this boot");
  app.add_option("--socket", flags.socket, "unix socket to serve on");
  app.add_option("--log-level", flags.log_level,
                 "error, warning, info or debug");
  app.set_version_flag("--version",
                       std::string("gantryd ") + cri::kRuntimeVersion);
  CLI11_PARSE(app, argc, argv);

  absl::StatusOr<Config> config = LoadConfig(config_path, flags);
  absl::Status error = config.status();
  if (config.ok()) {
    InitLog(argv[0], config->log_level);
    // Before any thread: they all inherit it.
    const sigset_t signals = EndSignals();
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    umask(022);
    absl::StatusOr<int> end = Run(*config);
    if (end.ok()) return *end;
    error = end.status();
  }
  TellError(error);
  return 1;
}

}  // namespace
}  // namespace gantry::server

int main(int argc, char** argv) { return gantry::server::Main(argc, argv); }
