#include "server/shim/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/plan.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/testing/temp_dir.h"
#include "server/shim/testing/await_task.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);

std::string ScriptedShim() {
  return absl::StrCat(std::getenv("TEST_SRCDIR"), "/",
                      std::getenv("TEST_WORKSPACE"),
                      "/server/shim/scripted_shim");
}

int CountOpenFds() {
  return sys::ListDirAt(AT_FDCWD, "/proc/self/fd").value().size();
}

ino_t InodeOf(int fd) {
  struct stat info;
  EXPECT_EQ(::fstat(fd, &info), 0);
  return info.st_ino;
}

class LauncherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, work::LoopThread::Start("loop", executor_));
    options_.start_timeout = kLong;
    options_.pin_timeout = kLong;
    options_.give_up_timeout = kLong;
    Create();
  }

  void Create() {
    ASSERT_OK_AND_ASSIGN(launcher_, Launcher::Create(ScriptedShim(), *loop_,
                                                     executor_, options_));
  }

  LaunchRequest RequestOf(const std::string& id) {
    LaunchRequest request;
    request.container_id = id;
    request.plan = plan_.SerializeAsString();
    request.run_dir_fd = dir_.fd();
    return request;
  }

  auto Launch(const std::string& id) {
    return Await(launcher_->Launch(RequestOf(id)));
  }

  sys::testing::TempDir dir_;
  work::Executor executor_{"test", 2};
  std::unique_ptr<work::LoopThread> loop_;
  LauncherOptions options_;
  std::unique_ptr<Launcher> launcher_;
  plan::ContainerPlan plan_;
};

TEST_F(LauncherTest, OnlyAProgramThatNobodyElseCanChangeIsAShim) {
  auto create = [this](const std::string& name) {
    return Launcher::Create(absl::StrCat(dir_.path(), "/", name), *loop_,
                            executor_, options_)
        .status();
  };
  auto write = [this](const std::string& name, const std::string& content,
                      mode_t mode) {
    UniqueFd file =
        sys::OpenAt(dir_.fd(), name, O_WRONLY | O_CREAT, 0600).value();
    ASSERT_OK(sys::WriteAll(file.get(), content));
    ASSERT_EQ(::fchmod(file.get(), mode), 0);
  };
  write("script", "#!/bin/sh\n", 0755);
  write("data", "\177ELF", 0644);
  write("shared", "\177ELF", 0775);
  write("program", "\177ELF", 0755);
  EXPECT_THAT(create("absent"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(create("."), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(create("script"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("ELF")));
  EXPECT_THAT(create("data"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(create("shared"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_OK(create("program"));
}

TEST_F(LauncherTest, TheShimGetsWhatIsDonatedAndNothingElse) {
  plan_.mutable_stdio()->set_log_path("/log");
  plan_.mutable_namespaces()->set_network(plan::NamespacePlan::JOIN);
  plan_.mutable_namespaces()->set_uts(plan::NamespacePlan::JOIN);
  ASSERT_OK_AND_ASSIGN(UniqueFd log,
                       sys::OpenAt(dir_.fd(), "log", O_WRONLY | O_CREAT, 0600));
  ASSERT_OK_AND_ASSIGN(UniqueFd net,
                       sys::OpenAt(AT_FDCWD, "/proc/self/ns/net", O_RDONLY));
  ASSERT_OK_AND_ASSIGN(UniqueFd uts,
                       sys::OpenAt(AT_FDCWD, "/proc/self/ns/uts", O_RDONLY));
  LaunchRequest request = RequestOf("starts");
  request.log_fd = log.get();
  request.join_fds = {net.get(), uts.get()};
  std::vector<std::string> steps;
  request.on_step = [&steps](absl::string_view step) {
    steps.emplace_back(step);
  };
  ASSERT_OK_AND_ASSIGN(Launched launched,
                       Await(launcher_->Launch(std::move(request))));
  EXPECT_EQ(launched.started.pid(), 42);
  EXPECT_THAT(steps,
              ::testing::ElementsAre("execute the shim", "wait for the start"));
  // number:inode of each descriptor that the shim found open.
  std::vector<std::string> found(launched.started.degraded().begin(),
                                 launched.started.degraded().end());
  ASSERT_EQ(found.size(), 9);
  for (int fd = 0; fd < 9; ++fd) {
    EXPECT_EQ(found[fd].substr(0, 2), absl::StrCat(fd, ":"));
  }
  EXPECT_EQ(found[5], absl::StrCat("5:", InodeOf(dir_.fd())));
  EXPECT_EQ(found[6], absl::StrCat("6:", InodeOf(log.get())));
  EXPECT_EQ(found[7], absl::StrCat("7:", InodeOf(net.get())));
  EXPECT_EQ(found[8], absl::StrCat("8:", InodeOf(uts.get())));
  EXPECT_OK(Await(launched.client->Signal(SIGKILL, true)));
  EXPECT_OK(Await(launched.client->WaitGone(kLong)));
}

TEST_F(LauncherTest, DonationsThatDoNotFitThePlanAreRefused) {
  LaunchRequest with_log = RequestOf("starts");
  with_log.log_fd = dir_.fd();
  EXPECT_THAT(Await(launcher_->Launch(with_log)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  plan_.mutable_namespaces()->set_network(plan::NamespacePlan::JOIN);
  EXPECT_THAT(Launch("starts"), StatusIs(absl::StatusCode::kInvalidArgument));
  // As many as wanted, but a log where a namespace belongs.
  LaunchRequest swapped = RequestOf("starts");
  swapped.log_fd = dir_.fd();
  EXPECT_THAT(Await(launcher_->Launch(swapped)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  LaunchRequest garbage = RequestOf("starts");
  garbage.plan = "\xff\xff";
  EXPECT_THAT(Await(launcher_->Launch(garbage)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(LauncherTest, AShimIsPlacedBeforeItIsToldToGoOn) {
  plan_.mutable_cgroup()->set_await_placement(true);
  LaunchRequest request = RequestOf("waits");
  pid_t placed = 0;
  request.place = [&placed](pid_t pid) -> work::Task<absl::Status> {
    placed = pid;
    co_return absl::OkStatus();
  };
  ASSERT_OK_AND_ASSIGN(Launched launched,
                       Await(launcher_->Launch(std::move(request))));
  EXPECT_EQ(launched.started.shim_pid(), placed);
  EXPECT_EQ(launched.started.degraded(0), shim::kPlaced);
  EXPECT_OK(Await(launched.client->Signal(SIGKILL, true)));
  EXPECT_OK(Await(launched.client->WaitGone(kLong)));
}

TEST_F(LauncherTest, AShimThatCannotBePlacedIsEnded) {
  plan_.mutable_cgroup()->set_await_placement(true);
  EXPECT_THAT(Launch("waits"), StatusIs(absl::StatusCode::kInvalidArgument));
  LaunchRequest request = RequestOf("waits");
  UniqueFd shim;
  request.place = [&shim](pid_t pid) -> work::Task<absl::Status> {
    CO_ASSIGN_OR_RETURN(shim, sys::PidfdOpen(pid));
    co_return absl::UnavailableError("no systemd");
  };
  EXPECT_THAT(
      Await(launcher_->Launch(std::move(request))),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no systemd")));
  // Not by its pid, which is there until the machine's init has reaped it.
  EXPECT_THAT(sys::PidfdExited(shim.get(), std::chrono::milliseconds(0)),
              IsOkAndHolds(true));
}

TEST_F(LauncherTest, AFailedStartIsItsStatus) {
  absl::Status status = Launch("fails").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               "mount overlay on /x: EINVAL"));
  EXPECT_EQ(ErrnoOf(status), EINVAL);
}

TEST_F(LauncherTest, AShimThatDiesInMidStartIsUnavailable) {
  EXPECT_THAT(Launch("dies"), StatusIs(absl::StatusCode::kUnavailable,
                                       HasSubstr("await the start by shim")));
}

TEST_F(LauncherTest, AShimStartedAheadThatIsLostUnreadIsReplaced) {
  const auto launch = [this] {
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch("starts"));
    EXPECT_OK(Await(launched.client->Signal(SIGKILL, true)));
    EXPECT_OK(Await(launched.client->WaitGone(kLong)));
  };
  launch();
  while (!launcher_->SpareShimPid().has_value()) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  const std::optional<pid_t> spare = launcher_->SpareShimPid();
  // It is passed over until it has said that it is there.
  while (launcher_->SpareShimPid() == spare) launch();
}

TEST_F(LauncherTest, AShimThatBeginsWithNonsenseIsEnded) {
  EXPECT_THAT(Launch("babbles"), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(LauncherTest, AStartThatHangsIsGivenUp) {
  options_.start_timeout = absl::Milliseconds(100);
  Create();
  const absl::Time start = absl::Now();
  EXPECT_THAT(Launch("gives-up"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LT(absl::Now() - start, kLong / 2);
}

TEST_F(LauncherTest, AShimThatDoesNotGiveUpIsKilled) {
  options_.start_timeout = absl::Milliseconds(100);
  options_.give_up_timeout = absl::Milliseconds(100);
  Create();
  EXPECT_THAT(Launch("hangs"), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(LauncherTest, AKilledShimIsNoticed) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("starts"));
  absl::Notification lost;
  launched.client->OnExit([&lost](ExitOutcome outcome) {
    if (outcome.shim_lost) lost.Notify();
  });
  ASSERT_EQ(::kill(launched.started.shim_pid(), SIGKILL), 0);
  EXPECT_TRUE(lost.WaitForNotificationWithTimeout(kLong));
}

TEST_F(LauncherTest, PinPassesOnWhatIsAskedFor) {
  PinRequest request;
  request.run_dir_fd = dir_.fd();
  request.network = true;
  request.ipc = true;
  request.hostname = "host";
  request.shm_size = 1 << 20;
  request.sysctls["net.ipv4.x"] = "1 2";
  EXPECT_OK(Await(launcher_->PinNamespaces(request)));
  ASSERT_OK_AND_ASSIGN(std::string args, sys::ReadFileAt(dir_.fd(), "args"));
  EXPECT_THAT(std::vector<std::string>(absl::StrSplit(args, '\n')),
              ElementsAre("--net", "--ipc", "--hostname=host",
                          "--shm-size=1048576", "--sysctl=net/ipv4/x=1 2", ""));
}

TEST_F(LauncherTest, PinReportsWhatFailed) {
  auto pin = [this](const std::string& how) {
    PinRequest request;
    request.run_dir_fd = dir_.fd();
    request.uts = true;
    request.hostname = how;
    return Await(launcher_->PinNamespaces(request));
  };
  EXPECT_THAT(pin("fails"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("EINVAL")));
  EXPECT_THAT(pin("dies"), StatusIs(absl::StatusCode::kUnavailable));
  options_.pin_timeout = absl::Milliseconds(50);
  Create();
  EXPECT_THAT(pin("hangs"), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(LauncherTest, LaunchesLeakNoDescriptor) {
  auto round = [this] {
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch("starts"));
    EXPECT_OK(Await(launched.client->Signal(SIGKILL, true)));
    EXPECT_OK(Await(launched.client->WaitGone(kLong)));
    EXPECT_FALSE(Launch("fails").ok());
    EXPECT_FALSE(Launch("dies").ok());
  };
  auto settle = [this] {
    // The next container's shim, which has descriptors, is made in a while.
    while (!launcher_->SpareShimPid().has_value()) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    absl::Notification settled;
    loop_->Post([&settled] { settled.Notify(); });
    settled.WaitForNotification();
  };
  round();
  settle();
  const int before = CountOpenFds();
  for (int i = 0; i < 30; ++i) round();
  settle();
  EXPECT_EQ(CountOpenFds(), before);
}

}  // namespace
}  // namespace gantry::shim_client
