// Launcher and ShimClient with the real gantry-shim, kernel and cgroups.

#include "server/shim/testing/real_shim.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"
#include "server/shim/exit_record.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

int CountEntries(const char* directory) {
  return sys::ListDirAt(AT_FDCWD, directory).value().size();
}

void PrintLatencies(const char* what, std::vector<absl::Duration> times) {
  std::sort(times.begin(), times.end());
  auto milliseconds = [&times](double part) {
    return absl::ToDoubleMilliseconds(times[(times.size() - 1) * part]);
  };
  std::printf("%s: n=%zu p50=%.2f ms p90=%.2f ms p99=%.2f ms max=%.2f ms\n",
              what, times.size(), milliseconds(0.5), milliseconds(0.9),
              milliseconds(0.99), milliseconds(1));
}

TEST_F(RealShimTest, AContainerRunsAndItsEndIsTold) {
  ASSERT_OK_AND_ASSIGN(Launched launched,
                       Launch("c1", {"/bin/sh", "-c", "sleep 0.1; exit 7"}));
  EXPECT_GT(launched.started.pid(), 0);
  End end(*launched.client);
  ExitOutcome outcome = end.Get();
  EXPECT_FALSE(outcome.shim_lost);
  EXPECT_EQ(outcome.exited.exit_code(), 7);
  EXPECT_OK(Await(launched.client->WaitGone(kLong)));
  UniqueFd run_dir = RunDir("c1");
  ASSERT_OK_AND_ASSIGN(shim::Exited record, ReadExitRecord(run_dir.get()));
  EXPECT_EQ(record.exit_code(), 7);
  EXPECT_FALSE(sys::ExistsAt(run_dir.get(), shim::kSocketName));
  EXPECT_FALSE(CgroupExists("c1"));
}

TEST_F(RealShimTest, AProgramThatIsMissingFailsTheStartAndLeavesNothing) {
  absl::Status status = Launch("c1", {"/bin/absent"}).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/bin/absent")));
  UniqueFd run_dir = RunDir("c1");
  EXPECT_FALSE(sys::ExistsAt(run_dir.get(), shim::kSocketName));
  EXPECT_FALSE(CgroupExists("c1"));
}

TEST_F(RealShimTest, ExecsRunBesideTheProgram) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  ShimClient& client = *launched.client;
  ExecOutput result = Exec(client, "e1", {"/bin/sh", "-c", "echo out; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "out\n");

  shim::ExecRequest missing;
  missing.set_exec_id("e2");
  missing.add_args("/bin/absent");
  EXPECT_THAT(Await(client.Exec(missing, {})),
              StatusIs(absl::StatusCode::kNotFound));

  shim::ExecRequest hanging;
  hanging.set_exec_id("e3");
  hanging.add_args("/bin/sleep");
  hanging.add_args("1000");
  ASSERT_OK(Await(client.Exec(hanging, {})));
  ASSERT_OK_AND_ASSIGN(shim::State state, Await(client.GetState()));
  ASSERT_EQ(state.exec_ids_size(), 1);
  EXPECT_EQ(state.exec_ids(0), "e3");
  EXPECT_OK(Await(client.ExecSignal("e3", SIGKILL, true)));
  EXPECT_THAT(Await(client.WaitExec("e3")), IsOkAndHolds(128 + SIGKILL));
  EXPECT_THAT(Await(client.ExecSignal("e3", SIGKILL, true)),
              StatusIs(absl::StatusCode::kNotFound));

  shim::ExecRequest terminal;
  terminal.set_exec_id("e4");
  terminal.add_args("/bin/sh");
  terminal.add_args("-c");
  terminal.add_args("test -t 1 && echo tty");
  terminal.set_terminal(true);
  ASSERT_OK_AND_ASSIGN(ExecStartedResult started,
                       Await(client.Exec(terminal, {})));
  ASSERT_TRUE(started.pty.has_value());
  auto output =
      OutputCollector::Start(*loop_, executor_, *std::move(started.pty))
          .value();
  EXPECT_THAT(Await(client.WaitExec("e4")), IsOkAndHolds(0));
  EXPECT_EQ(Await(output->Wait()).data, "tty\r\n");

  End end(client);
  EXPECT_OK(Await(client.Signal(SIGKILL, true)));
  EXPECT_EQ(end.Get().exited.exit_code(), 128 + SIGKILL);
  EXPECT_OK(Await(client.WaitGone(kLong)));
}

TEST_F(RealShimTest, AKilledShimIsLostAndItsContainerCanBeSwept) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  End end(*launched.client);
  ASSERT_EQ(::kill(launched.started.shim_pid(), SIGKILL), 0);
  EXPECT_TRUE(end.Get().shim_lost);
  EXPECT_OK(Await(launched.client->WaitGone(kLong)));
  EXPECT_TRUE(CgroupExists("c1"));
  UniqueFd run_dir = RunDir("c1");
  EXPECT_THAT(Await(ShimClient::Connect(*loop_, executor_, run_dir.get())),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RealShimTest, ARestartedServerFindsTheShimAgain) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  const pid_t pid = launched.started.pid();
  launched.client.reset();
  UniqueFd run_dir = RunDir("c1");
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<ShimClient> client,
      Await(ShimClient::Connect(*loop_, executor_, run_dir.get())));
  ASSERT_OK_AND_ASSIGN(shim::State state, Await(client->GetState()));
  EXPECT_EQ(state.started().pid(), pid);
  EXPECT_EQ(Exec(*client, "e1", {"/bin/echo", "again"}).out, "again\n");
  End end(*client);
  EXPECT_OK(Await(client->Signal(SIGKILL, false)));
  EXPECT_EQ(end.Get().exited.signal(), SIGKILL);
  EXPECT_OK(Await(client->WaitGone(kLong)));
}

TEST_F(RealShimTest, ShimThatIsKilledAfterARestartIsLost) {
  ASSERT_OK_AND_ASSIGN(Launched launched, Launch("c1", {"/bin/sleep", "1000"}));
  launched.client.reset();
  UniqueFd run_dir = RunDir("c1");
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<ShimClient> client,
      Await(ShimClient::Connect(*loop_, executor_, run_dir.get())));
  End end(*client);
  ASSERT_EQ(::kill(launched.started.shim_pid(), SIGKILL), 0);
  EXPECT_TRUE(end.Get().shim_lost);
}

TEST_F(RealShimTest, NamespacesArePinned) {
  ASSERT_OK(sys::MkdirAllAt(dir_.fd(), "pod", 0700));
  ASSERT_OK_AND_ASSIGN(UniqueFd pod,
                       sys::OpenAt(dir_.fd(), "pod", O_RDONLY | O_DIRECTORY));
  PinRequest request;
  request.run_dir_fd = pod.get();
  request.network = request.ipc = request.uts = true;
  request.hostname = "pinned";
  request.shm_size = 1 << 20;
  request.sysctls["net.ipv4.ip_unprivileged_port_start"] = "80";
  EXPECT_OK(Await(launcher_->PinNamespaces(request)));
  const std::string path = absl::StrCat(dir_.path(), "/pod/");
  for (const char* name : {"net", "ipc", "uts", "shm"}) {
    EXPECT_EQ(::umount2((path + name).c_str(), MNT_DETACH), 0) << name;
  }
  request.sysctls["kernel.pid_max"] = "80";
  EXPECT_THAT(Await(launcher_->PinNamespaces(request)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RealShimTest, ManyLaunchesAndExecsLeakNothing) {
  constexpr int kLaunches = 200;
  std::vector<absl::Duration> launches;
  std::vector<absl::Duration> execs;
  std::vector<absl::Duration> ends;
  int fds = 0;
  for (int i = 0; i < kLaunches; ++i) {
    const std::string id = absl::StrCat("c", i);
    absl::Time start = absl::Now();
    ASSERT_OK_AND_ASSIGN(Launched launched, Launch(id, {"/bin/sleep", "1000"}));
    launches.push_back(absl::Now() - start);
    start = absl::Now();
    EXPECT_EQ(Exec(*launched.client, "e", {"/bin/true"}).exit_code, 0);
    execs.push_back(absl::Now() - start);
    End end(*launched.client);
    start = absl::Now();
    EXPECT_OK(Await(launched.client->Signal(SIGKILL, true)));
    EXPECT_FALSE(end.Get().shim_lost);
    ends.push_back(absl::Now() - start);
    EXPECT_OK(Await(launched.client->WaitGone(kLong)));
    launched.client.reset();
    absl::Notification settled;
    loop_->Post([&settled] { settled.Notify(); });
    settled.WaitForNotification();
    EXPECT_FALSE(CgroupExists(id));
    if (i == 10) fds = CountEntries("/proc/self/fd");
  }
  // Two are a shim's that was started ahead.
  EXPECT_LE(CountEntries("/proc/self/fd"), fds + 2);
  // The test's, the loop's, and those the executor may have.
  EXPECT_LE(CountEntries("/proc/self/task"), 4);
  PrintLatencies("launch (plan to Started)", launches);
  PrintLatencies("exec (pipe, start, exit, output)", execs);
  PrintLatencies("kill to Exited", ends);
}

}  // namespace
}  // namespace gantry::shim_client
