// The real gantry-shim binary, driven as the server drives it.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/namespaces.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "shim/donation.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim::testing {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool IsExited(const Envelope& event) { return event.has_exited(); }

Envelope SignalMessage(int signal, bool all = false) {
  Envelope request;
  request.mutable_signal_request()->set_signal(signal);
  request.mutable_signal_request()->set_all(all);
  return request;
}

int CountFds(pid_t pid) {
  int count = 0;
  DIR* dir = opendir(absl::StrCat("/proc/", pid, "/fd").c_str());
  if (dir == nullptr) return -1;
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count - 2;
}

class ShimTest : public ::testing::Test {
 protected:
  void SetUp() override { before_ = ReadMachineState(); }
  void TearDown() override {
    harness_.reset();
    MachineState after = ReadMachineState();
    EXPECT_EQ(after.mounts, before_.mounts);
    EXPECT_EQ(after.cgroups, before_.cgroups);
  }

  ShimHarness& harness() { return *harness_; }
  std::unique_ptr<ShimHarness> harness_ = std::make_unique<ShimHarness>();
  MachineState before_;
};

TEST_F(ShimTest, MakesNothingBeforeItIsPlaced) {
  plan::ContainerPlan plan = harness().MakePlan({"sleep", "1000"});
  plan.mutable_cgroup()->set_await_placement(true);
  auto client = harness().Launch(plan);
  EXPECT_THAT(client->Next(300), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
  EXPECT_FALSE(sys::ExistsAt(harness().run_directory(), kSocketName));
  ASSERT_OK(sys::Send(client->fd(), kPlaced));
  ASSERT_OK_AND_ASSIGN(Received first, client->Next(20000));
  EXPECT_TRUE(first.message.has_started());
  EXPECT_FALSE(harness().CgroupDirectories().empty());
  ASSERT_OK(client->Ask(SignalMessage(SIGKILL, /*all=*/true)));
  EXPECT_TRUE(harness().WaitForShim());
}

TEST_F(ShimTest, OneThatIsNeverPlacedEndsWithItsServer) {
  plan::ContainerPlan plan = harness().MakePlan({"true"});
  plan.mutable_cgroup()->set_await_placement(true);
  harness().Launch(plan).reset();
  EXPECT_TRUE(harness().WaitForShim());
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
  EXPECT_FALSE(sys::ExistsAt(harness().run_directory(), kSocketName));
}

TEST_F(ShimTest, IsToldThatItIsNotWantedAnyMore) {
  plan::ContainerPlan plan = harness().MakePlan({"true"});
  plan.mutable_cgroup()->set_await_placement(true);
  auto client = harness().Launch(plan);
  ASSERT_OK(sys::Send(
      client->fd(), SignalMessage(SIGKILL, /*all=*/true).SerializeAsString()));
  ASSERT_OK_AND_ASSIGN(Received answer, client->Next());
  EXPECT_TRUE(answer.message.has_start_failed());
  EXPECT_TRUE(harness().WaitForShim());
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
}

TEST_F(ShimTest, RunsLogsAndLeavesNothingButTheExitRecord) {
  auto client = harness().Start(harness().MakePlan(
      {"sh", "-c", "echo pid $$; echo oops >&2; exec sleep 0.3"}));
  EXPECT_GT(harness().started().pid(), 0);
  EXPECT_GT(harness().started().start_ticks(), 0u);
  EXPECT_EQ(harness().started().shim_pid(), harness().shim_pid());
  EXPECT_FALSE(harness().CgroupDirectories().empty());
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 0);
  EXPECT_EQ(exited.message.exited().signal(), 0);
  EXPECT_GT(exited.message.exited().finished_at(),
            harness().started().started_at());
  // The record stood before the event.
  ASSERT_TRUE(harness().ExitRecord().has_value());
  EXPECT_EQ(harness().ExitRecord()->SerializeAsString(),
            exited.message.exited().SerializeAsString());
  EXPECT_THAT(harness().LogLines(), ::testing::UnorderedElementsAre(
                                        "stdout F pid 1", "stderr F oops"));
  ASSERT_TRUE(harness().WaitForShim());
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
  EXPECT_FALSE(sys::ExistsAt(harness().run_directory(), kSocketName));
  ASSERT_OK_AND_ASSIGN(auto left,
                       sys::ListDirAt(harness().run_directory(), "."));
  EXPECT_EQ(left.size(), 1u);
}

TEST_F(ShimTest, ExitCodeIsAsAShellCounts) {
  auto client = harness().Start(harness().MakePlan({"sh", "-c", "exit 7"}));
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 7);
}

TEST_F(ShimTest, SignalEndsTheProgram) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(SignalMessage(SIGKILL)));
  EXPECT_TRUE(answer.message.has_done());
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 137);
  EXPECT_EQ(exited.message.exited().signal(), SIGKILL);
}

TEST_F(ShimTest, ProgramThatIsMissingLeavesNothing) {
  auto client = harness().Launch(harness().MakePlan({"no-such-program"}));
  ASSERT_OK_AND_ASSIGN(Received failed, client->Next());
  ASSERT_TRUE(failed.message.has_start_failed());
  const Error& error = failed.message.start_failed().error();
  EXPECT_EQ(error.code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(error.errno_value(), ENOENT);
  EXPECT_THAT(error.message(), HasSubstr("no-such-program"));
  // Gone when it is said.
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
  EXPECT_FALSE(sys::ExistsAt(harness().run_directory(), kSocketName));
  ASSERT_TRUE(harness().WaitForShim());
  EXPECT_FALSE(harness().ExitRecord().has_value());
}

TEST_F(ShimTest, EveryFailedStartLeavesNothing) {
  plan::ContainerPlan plan = harness().MakePlan({"true"});
  std::vector<plan::ContainerPlan> broken(5, plan);
  broken[0].mutable_init()->mutable_rootfs()->mutable_overlay()->set_lower_dirs(
      0, "missing");
  broken[1].mutable_init()->mutable_mounts(0)->set_fstype("no-such-fs");
  broken[2].mutable_cgroup()->mutable_resources()->set_cpuset_cpus("4095");
  broken[3].mutable_init()->mutable_identity()->mutable_user()->set_user(
      "nobody-knows");
  broken[4].mutable_namespaces()->set_user(plan::NamespacePlan::NEW);
  for (size_t i = 0; i < broken.size(); ++i) {
    auto client = harness().Launch(broken[i]);
    ASSERT_OK_AND_ASSIGN(Received failed, client->Next());
    ASSERT_TRUE(failed.message.has_start_failed()) << i;
    EXPECT_NE(failed.message.start_failed().error().message(), "") << i;
    ASSERT_TRUE(harness().WaitForShim());
    EXPECT_THAT(harness().CgroupDirectories(), IsEmpty()) << i;
    ASSERT_OK_AND_ASSIGN(auto left,
                         sys::ListDirAt(harness().run_directory(), "."));
    EXPECT_TRUE(left.empty()) << i;
  }
  // The same directory serves a start that works.
  auto client = harness().Start(plan);
  ASSERT_OK(client->NextEvent(IsExited));
}

TEST_F(ShimTest, GarbageForAPlanIsAnAnswerNotASilence) {
  plan::ContainerPlan plan;
  plan.set_container_id("x");
  auto client = harness().Launch(plan);
  ASSERT_OK_AND_ASSIGN(Received failed, client->Next());
  EXPECT_TRUE(failed.message.has_start_failed());
  ASSERT_TRUE(harness().WaitForShim());
}

TEST_F(ShimTest, ExecGivesOutputAndExitCode) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK_AND_ASSIGN(
      auto outcome,
      harness().Exec(*client, {"sh", "-c", "cat; echo err >&2; exit 3"},
                     "input\n"));
  EXPECT_EQ(outcome.output, "input\nerr\n");
  EXPECT_EQ(outcome.exit_code, 3);
  // It is in the container's PID namespace and cgroups.
  ASSERT_OK_AND_ASSIGN(outcome,
                       harness().Exec(*client, {"cat", "/proc/1/comm"}));
  EXPECT_EQ(outcome.output, "sleep\n");
  ASSERT_OK_AND_ASSIGN(outcome,
                       harness().Exec(*client, {"cat", "/proc/self/cgroup"}));
  EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("gantry")));
  // In one hierarchy in a cgroup of its own below the container's.
  EXPECT_THAT(outcome.output, HasSubstr(":/exec-"));
  EXPECT_THAT(outcome.output, HasSubstr(":memory:/\n"));
}

TEST_F(ShimTest, ExecOfAMissingProgramIsAnError) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  EXPECT_THAT(
      harness().Exec(*client, {"no-such-program"}),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no-such-program")));
  // And of one that is not meant.
  EXPECT_THAT(harness().Exec(*client, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK(harness().Exec(*client, {"true"}));
}

TEST_F(ShimTest, FiveHundredExecsLeaveNoDescriptor) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK(harness().Exec(*client, {"true"}));
  const int before = CountFds(harness().shim_pid());
  ASSERT_GT(before, 0);
  for (int i = 0; i < 500; ++i) {
    ASSERT_OK_AND_ASSIGN(
        auto outcome,
        harness().Exec(*client, {i % 50 == 0 ? "false" : "true"}));
    ASSERT_EQ(outcome.exit_code, i % 50 == 0 ? 1 : 0);
    if (i % 50 == 0) {
      ASSERT_FALSE(harness().Exec(*client, {"no-such-program"}).ok());
    }
  }
  EXPECT_EQ(CountFds(harness().shim_pid()), before);
}

TEST_F(ShimTest, ExecSignalReachesTheWholeTree) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  Envelope request;
  ExecRequest* exec = request.mutable_exec_request();
  exec->set_exec_id("tree");
  for (const char* arg : {"sh", "-c",
                          "sleep 501 & (sleep 502 & sleep 503) & "
                          // A daemon: forked twice, in a session of its own.
                          "(setsid sh -c 'sleep 505 & exit' &); sleep 504"}) {
    exec->add_args(arg);
  }
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  ASSERT_TRUE(answer.message.has_exec_started())
      << answer.message.error().message();
  usleep(200000);
  Envelope kill;
  kill.mutable_exec_signal_request()->set_exec_id("tree");
  kill.mutable_exec_signal_request()->set_signal(SIGKILL);
  kill.mutable_exec_signal_request()->set_tree(true);
  ASSERT_OK_AND_ASSIGN(answer, client->Ask(kill));
  EXPECT_TRUE(answer.message.has_done()) << answer.message.error().message();
  ASSERT_OK_AND_ASSIGN(Received ended,
                       client->NextEvent([](const Envelope& event) {
                         return event.has_exec_exited();
                       }));
  EXPECT_EQ(ended.message.exec_exited().exit_code(), 137);
  usleep(100000);
  ASSERT_OK_AND_ASSIGN(auto list, harness().Exec(*client, {"ps"}));
  EXPECT_THAT(list.output, ::testing::Not(HasSubstr("sleep 50")));
  EXPECT_THAT(list.output, HasSubstr("sleep 1000"));
  ASSERT_OK_AND_ASSIGN(answer, client->Ask(kill));
  EXPECT_EQ(answer.message.error().code(),
            static_cast<int>(absl::StatusCode::kNotFound));
}

TEST_F(ShimTest, ExecWithTerminalHandsItsMasterOver) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  Envelope request;
  ExecRequest* exec = request.mutable_exec_request();
  exec->set_exec_id("tty");
  for (const char* arg : {"sh", "-c", "stty size; read x; echo got $x"}) {
    exec->add_args(arg);
  }
  exec->set_terminal(true);
  exec->set_width(91);
  exec->set_height(17);
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  ASSERT_TRUE(answer.message.has_exec_started())
      << answer.message.error().message();
  ASSERT_EQ(answer.fds.size(), 1u);
  ASSERT_OK(sys::WriteAll(answer.fds[0].get(), "word\n"));
  std::string output;
  char buffer[1000];
  for (;;) {
    const ssize_t size = read(answer.fds[0].get(), buffer, sizeof(buffer));
    if (size <= 0) break;
    output.append(buffer, static_cast<size_t>(size));
  }
  EXPECT_THAT(output, HasSubstr("17 91"));
  EXPECT_THAT(output, HasSubstr("got word"));
}

TEST_F(ShimTest, ClientMayComeAndGo) {
  auto first = harness().Start(harness().MakePlan({"sleep", "1000"}));
  Envelope request;
  ExecRequest* exec = request.mutable_exec_request();
  exec->set_exec_id("orphan");
  for (const char* arg : {"sh", "-c", "sleep 0.3; exit 9"}) exec->add_args(arg);
  ASSERT_OK(first->Ask(request));
  first.reset();  // as a server that is killed
  usleep(700000);
  auto second = harness().Connect();
  Envelope state;
  state.mutable_state_request();
  ASSERT_OK_AND_ASSIGN(Received answer, second->Ask(state));
  EXPECT_EQ(answer.message.state().started().SerializeAsString(),
            harness().started().SerializeAsString());
  EXPECT_FALSE(answer.message.state().has_exited());
  ASSERT_EQ(answer.message.state().exec_exits_size(), 1);
  EXPECT_EQ(answer.message.state().exec_exits(0).exec_id(), "orphan");
  EXPECT_EQ(answer.message.state().exec_exits(0).exit_code(), 9);
  ASSERT_OK_AND_ASSIGN(answer, second->Ask(state));
  EXPECT_EQ(answer.message.state().exec_exits_size(), 0);
  ASSERT_OK_AND_ASSIGN(auto outcome, harness().Exec(*second, {"echo", "on"}));
  EXPECT_EQ(outcome.output, "on\n");
}

TEST_F(ShimTest, StartIsFinishedThoughItsServerDied) {
  harness().Launch(harness().MakePlan({"sleep", "1000"})).reset();
  Envelope state;
  state.mutable_state_request();
  bool started = false;
  for (int i = 0; i < 200 && !started; ++i) {
    usleep(20000);
    auto socket = sys::ConnectAt(harness().run_directory(), kSocketName);
    if (!socket.ok()) continue;
    Client client(*std::move(socket));
    ASSERT_OK_AND_ASSIGN(Received answer, client.Ask(state));
    started = answer.message.state().has_started();
  }
  EXPECT_TRUE(started);
}

TEST_F(ShimTest, UnknownRequestIsUnimplemented) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(Envelope()));
  EXPECT_EQ(answer.message.error().code(),
            static_cast<int>(absl::StatusCode::kUnimplemented));
}

TEST_F(ShimTest, ReopenedLogGetsTheLinesThatFollow) {
  auto client = harness().Start(harness().MakePlan(
      {"sh", "-c",
       "echo one; while ! [ -e /tmp/go ]; do sleep 0.02; done; "
       "echo two; sleep 1000"}));
  ASSERT_THAT(harness().WaitForLogLines(1), ElementsAre("stdout F one"));
  const std::string log = harness().Path("log");
  ASSERT_EQ(rename(log.c_str(), harness().Path("log.1").c_str()), 0);
  UniqueFd next(
      open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  Envelope request;
  request.mutable_reopen_log_request();
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  EXPECT_EQ(answer.message.error().code(),
            static_cast<int>(absl::StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(answer, client->Ask(request, {next.get()}));
  EXPECT_TRUE(answer.message.has_done());
  ASSERT_OK(harness().Exec(*client, {"sh", "-c", ">/tmp/go"}));
  EXPECT_THAT(harness().WaitForLogLines(1), ElementsAre("stdout F two"));
}

TEST_F(ShimTest, InputFromAttachOutputToAttachAndLog) {
  plan::ContainerPlan plan = harness().MakePlan({"cat"});
  plan.mutable_stdio()->set_stdin(true);
  plan.mutable_stdio()->set_stdin_once(true);
  auto client = harness().Start(plan);
  int in[2];
  int out[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  Envelope request;
  request.mutable_attach_request()->set_has_stdin(true);
  request.mutable_attach_request()->set_has_stdout(true);
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request, {in[0], out[1]}));
  EXPECT_TRUE(answer.message.has_done());
  close(in[0]);
  close(out[1]);
  ASSERT_OK(sys::WriteAll(in[1], "hello\n"));
  close(in[1]);
  ASSERT_OK_AND_ASSIGN(std::string echoed, sys::ReadFd(out[0]));
  close(out[0]);
  EXPECT_EQ(echoed, "hello\n");
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 0);
  EXPECT_THAT(harness().LogLines(), ElementsAre("stdout F hello"));
}

TEST_F(ShimTest, TerminalIsLoggedAndResized) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "echo on; read x; stty size"});
  plan.mutable_stdio()->set_terminal(true);
  plan.mutable_stdio()->set_stdin(true);
  plan.mutable_init()->set_terminal(true);
  auto client = harness().Start(plan);
  EXPECT_THAT(harness().WaitForLogLines(1), Contains("stdout F on\r"));
  Envelope resize;
  resize.mutable_resize_request()->set_width(100);
  resize.mutable_resize_request()->set_height(33);
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(resize));
  EXPECT_TRUE(answer.message.has_done());
  int in[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  Envelope attach;
  attach.mutable_attach_request()->set_has_stdin(true);
  ASSERT_OK(client->Ask(attach, {in[0]}));
  close(in[0]);
  ASSERT_OK(sys::WriteAll(in[1], "x\n"));
  ASSERT_OK(client->NextEvent(IsExited));
  close(in[1]);
  EXPECT_THAT(harness().LogLines(), Contains("stdout F 33 100\r"));
}

TEST_F(ShimTest, NoLineIsLostAtTheEnd) {
  auto client = harness().Start(harness().MakePlan({"seq", "1", "200000"}));
  ASSERT_OK(client->NextEvent(IsExited, 60000));
  std::vector<std::string> lines = harness().LogLines();
  ASSERT_EQ(lines.size(), 200000u);
  for (int i = 0; i < 200000; ++i) {
    ASSERT_EQ(lines[i], absl::StrCat("stdout F ", i + 1));
  }
}

TEST_F(ShimTest, BackgroundProcessDoesNotHoldTheExitUp) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "sleep 1000 & echo done"});
  // In the host's PID namespace nothing kills it but the shim.
  plan.mutable_namespaces()->set_pid(plan::NamespacePlan::HOST);
  auto client = harness().Start(plan);
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 0);
  EXPECT_THAT(harness().LogLines(), ElementsAre("stdout F done"));
  ASSERT_TRUE(harness().WaitForShim());
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
}

TEST_F(ShimTest, LogThatIsFullHoldsTheContainerNotTheShim) {
  plan::ContainerPlan plan =
      harness().MakePlan({"sh", "-c", "seq 1 100; sleep 1000"});
  plan.mutable_stdio()->set_log_path("/dev/full");
  auto client = harness().Start(plan);
  usleep(300000);
  Envelope state;
  state.mutable_state_request();
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(state));
  EXPECT_FALSE(answer.message.state().has_exited());
  UniqueFd next(open(harness().Path("log").c_str(),
                     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  Envelope reopen;
  reopen.mutable_reopen_log_request();
  ASSERT_OK(client->Ask(reopen, {next.get()}));
  EXPECT_EQ(harness().WaitForLogLines(100).size(), 100u);
  EXPECT_EQ(harness().LogLines().front(), "stdout F 1");
}

TEST_F(ShimTest, OutOfMemoryIsCounted) {
  // The kernel does not kill what it still has swap for.
  plan::ContainerPlan plan = harness().MakePlan(
      {"sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1; exit 5"});
  plan.mutable_init()->mutable_devices()->Add()->CopyFrom(
      plan.init().devices(0));
  plan.mutable_init()->mutable_devices(1)->set_path("/dev/zero");
  plan.mutable_init()->mutable_devices(1)->set_minor(5);
  plan.mutable_cgroup()->mutable_resources()->set_memory_limit(32 << 20);
  auto client = harness().Start(plan);
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_GE(exited.message.exited().oom_kills(), 1u);
}

TEST_F(ShimTest, KilledShimTakesInitWithIt) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK_AND_ASSIGN(UniqueFd init,
                       sys::PidfdOpen(harness().started().pid()));
  ASSERT_OK(sys::PidfdSendSignal(harness().shim_pidfd(), SIGKILL));
  EXPECT_THAT(sys::PidfdExited(init.get(), std::chrono::milliseconds(5000)),
              ::gantry::testing::IsOkAndHolds(true));
  EXPECT_FALSE(harness().ExitRecord().has_value());
  ASSERT_TRUE(harness().WaitForShim());
  EXPECT_EQ(
      ErrnoOf(sys::ConnectAt(harness().run_directory(), kSocketName).status()),
      ECONNREFUSED);
}

TEST_F(ShimTest, PauseIsAContainerToo) {
  plan::ContainerPlan plan = harness().MakePlan({});
  plan::InitPlan* init = plan.mutable_init();
  init->set_pause(true);
  init->mutable_rootfs()->Clear();
  init->mutable_rootfs()->set_empty(true);
  init->clear_mounts();
  init->clear_devices();
  init->clear_hostname();
  plan.mutable_stdio()->clear_log_path();
  auto client = harness().Start(plan);
  ASSERT_OK(client->Ask(SignalMessage(SIGTERM)));
  ASSERT_OK(client->NextEvent(IsExited));
  ASSERT_TRUE(harness().WaitForShim());
}

TEST_F(ShimTest, PidNamespaceOfAnotherContainerIsJoined) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  UniqueFd pid_namespace(
      open(absl::StrCat("/proc/", harness().started().pid(), "/ns/pid").c_str(),
           O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(pid_namespace.valid());
  ShimHarness other;
  plan::ContainerPlan plan =
      other.MakePlan({"sh", "-c", "ps; sleep 1000 & sleep 0.3"});
  plan.mutable_namespaces()->set_pid(plan::NamespacePlan::JOIN);
  Donation donation;
  donation.pid = pid_namespace.get();
  auto second = other.Start(plan, donation);
  ASSERT_OK_AND_ASSIGN(auto outcome, other.Exec(*second, {"true"}));
  EXPECT_EQ(outcome.exit_code, 0);
  ASSERT_OK(second->NextEvent(IsExited));
  ASSERT_TRUE(other.WaitForShim());
  EXPECT_THAT(other.CgroupDirectories(), IsEmpty());
  std::string all;
  for (const std::string& line : other.LogLines()) absl::StrAppend(&all, line);
  EXPECT_THAT(all, HasSubstr("sleep 1000"));
  ASSERT_OK(harness().Exec(*client, {"true"}));
}

}  // namespace
}  // namespace gantry::shim::testing
