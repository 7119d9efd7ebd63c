// The real gantry-shim binary, driven as the server drives it.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/clock.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "runtime/sys/pidfd.h"
#include "runtime/sys/seqpacket.h"
#include "shim/donation.h"
#include "shim/testing/shim_case.h"
#include "shim/testing/shim_harness.h"

namespace gantry::shim::testing {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

TEST_F(ShimTest, TellsItsStepsToWhoAsksForThem) {
  plan::ContainerPlan plan = harness().MakePlan({"sleep", "1000"});
  plan.set_trace_steps(true);
  const int64_t before = RealClock().BootNanos();
  auto client = harness().Start(plan);
  const auto& steps = harness().started().steps();
  std::vector<std::string> names;
  int64_t last = before;
  for (const Step& step : steps) {
    names.push_back(step.name());
    EXPECT_GE(step.begun_at(), last) << step.name();
    last = step.begun_at();
  }
  EXPECT_LE(last, RealClock().BootNanos());
  EXPECT_THAT(names, ::testing::IsSupersetOf(
                         {"shim: read the plan", "shim: make the cgroup",
                          "shim: clone init", "init: wait for the shim",
                          "init: set up rootfs", "init: enter the rootfs",
                          "init: run the program", "shim: tell the server"}));
  // A server that comes later has no use for them.
  Envelope ask;
  ask.mutable_state_request();
  ASSERT_OK_AND_ASSIGN(Received state, client->Ask(ask));
  EXPECT_EQ(state.message.state().started().steps_size(), 0);
  ASSERT_OK(client->Ask(SignalMessage(SIGKILL, /*all=*/true)));
  EXPECT_TRUE(harness().WaitForShim());
}

TEST_F(ShimTest, RunsLogsAndLeavesNothingButTheExitRecord) {
  auto client = harness().Start(harness().MakePlan(
      {"sh", "-c", "echo pid $$; echo oops >&2; exec sleep 0.3"}));
  EXPECT_GT(harness().started().pid(), 0);
  EXPECT_GT(harness().started().start_ticks(), 0u);
  EXPECT_EQ(harness().started().steps_size(), 0);
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

TEST_F(ShimTest, StaysToTellUntilItsExitRecordIsWritten) {
  auto client =
      harness().Start(harness().MakePlan({"sh", "-c", "sleep 0.3; exit 7"}));
  const int run = harness().run_directory();
  // No file can have the name now.
  ASSERT_OK(sys::MkdirAt(run, kExitRecordName, 0700));
  ASSERT_OK_AND_ASSIGN(Received exited, client->NextEvent(IsExited));
  EXPECT_EQ(exited.message.exited().exit_code(), 7);
  EXPECT_FALSE(harness().WaitForShim(/*timeout_ms=*/1500));
  EXPECT_THAT(harness().CgroupDirectories(), IsEmpty());
  auto late = harness().Connect();
  ASSERT_NE(late, nullptr);
  Envelope ask;
  ask.mutable_state_request();
  ASSERT_OK_AND_ASSIGN(Received state, late->Ask(ask));
  EXPECT_EQ(state.message.state().exited().exit_code(), 7);
  ASSERT_OK(sys::RmdirAt(run, kExitRecordName));
  ASSERT_TRUE(harness().WaitForShim());
  ASSERT_TRUE(harness().ExitRecord().has_value());
  EXPECT_EQ(harness().ExitRecord()->exit_code(), 7);
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

TEST_F(ShimTest, WhatANewerServerSaysBeyondTheKnownIsNoMatter) {
  // Field 15000, which no message has.
  const std::string unknown = "\xc2\xa9\x07\x05newer";
  plan::ContainerPlan plan;
  ASSERT_TRUE(plan.ParseFromString(
      harness().MakePlan({"sleep", "1000"}).SerializeAsString() + unknown));
  auto client = harness().Start(plan);
  Envelope request;
  ExecRequest& exec = *request.mutable_exec_request();
  exec.set_exec_id("e");
  exec.add_args("true");
  ASSERT_TRUE(exec.ParseFromString(exec.SerializeAsString() + unknown));
  request.set_version(2);
  ASSERT_TRUE(request.ParseFromString(request.SerializeAsString() + unknown));
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(request));
  EXPECT_TRUE(answer.message.has_exec_started());
  ASSERT_OK(client->Ask(SignalMessage(SIGKILL, /*all=*/true)));
  EXPECT_TRUE(harness().WaitForShim());
}

TEST_F(ShimTest, UnknownRequestIsUnimplemented) {
  auto client = harness().Start(harness().MakePlan({"sleep", "1000"}));
  ASSERT_OK_AND_ASSIGN(Received answer, client->Ask(Envelope()));
  EXPECT_EQ(answer.message.error().code(),
            static_cast<int>(absl::StatusCode::kUnimplemented));
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
