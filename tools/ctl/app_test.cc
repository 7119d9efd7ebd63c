// Whole commands of gantryctl against a fake server over a real socket.

#include "tools/ctl/app.h"

#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/testing/app_case.h"

namespace gantry::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(AppTest, VersionAsTableAndAsJson) {
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("fake      1.2.3     v1\n"));
  EXPECT_EQ(Run({"version", "--output", "json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"runtimeName\": \"fake\""));
}

TEST_F(AppTest, WrongCommandLineIsExitCode2) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(Run({"fly"}), 2);
  EXPECT_EQ(Run({"run", "--rm"}), 2);
  EXPECT_EQ(Run({"run", "--bogus", kImage}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--bogus"));
  EXPECT_EQ(Run({"--timeout", "soon", "version"}), 2);
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("inspect"));
}

TEST_F(AppTest, NoServerSaysHowToStartIt) {
  server_.reset();
  EXPECT_EQ(Run({"ps"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("gantryctl: no server at " + socket_));
  EXPECT_THAT(err_.str(), HasSubstr("is gantryd running?"));
}

TEST_F(AppTest, EndpointTooLongForASocketIsRefused) {
  const std::string path = "/" + std::string(107, 'x');
  EXPECT_EQ(RunGantryctl({"--endpoint", path, "ps"}, out_, err_), 1);
  EXPECT_THAT(err_.str(), HasSubstr("at most 107 bytes"));
}

TEST_F(AppTest, EndpointMustBeASocket) {
  EXPECT_EQ(RunGantryctl({"--endpoint", "tcp://x:1", "ps"}, out_, err_), 1);
  EXPECT_THAT(err_.str(), HasSubstr("tcp://x:1"));
}

TEST_F(AppTest, RunShowsTheOutputAndRemovesAll) {
  EXPECT_EQ(RunImage({"--rm", "--memory", "100m", "--env", "A=b"},
                     {"echo", "-c", "[a,b]"}),
            0);
  EXPECT_EQ(out_.str(), "-c [a,b]\n");
  EXPECT_EQ(err_.str(), "");
  const ::runtime::v1::ContainerConfig config = server_->last_config();
  EXPECT_THAT(config.args(), ElementsAre("echo", "-c", "[a,b]"));
  EXPECT_EQ(config.image().image(), kImage);
  EXPECT_EQ(config.linux().resources().memory_limit_in_bytes(), 104857600);
  EXPECT_EQ(server_->containers(), 0);
  EXPECT_EQ(server_->pods(), 0);
  EXPECT_EQ(LogDirectories(), 0);
}

TEST_F(AppTest, RunPassesTheExitCodeOnAndKeepsTheContainer) {
  EXPECT_EQ(RunImage({"--name", "short"}, {"exit", "7"}), 7);
  EXPECT_THAT(err_.str(), HasSubstr("gantryctl inspect"));
  EXPECT_EQ(server_->containers(), 1);
  // Its pod goes with it.
  EXPECT_EQ(Run({"rm", "short"}), 0);
  EXPECT_EQ(server_->containers(), 0);
  EXPECT_EQ(server_->pods(), 0);
}

TEST_F(AppTest, RunByTheBeginningOfTheImagesId) {
  EXPECT_EQ(Run({"run", "--rm", "--log-root", logs_, "012345", "echo"}), 0);
  EXPECT_EQ(server_->last_config().image().image(), kImageId);
}

TEST_F(AppTest, RunOfAMissingImageSaysHowToGetIt) {
  EXPECT_EQ(Run({"run", "nginx", "true"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("image \"nginx\" is not on this node"));
  EXPECT_THAT(err_.str(), HasSubstr("gantryctl pull nginx"));
  EXPECT_EQ(server_->pods(), 0);
}

TEST_F(AppTest, RunThatFailsLeavesNothingBehind) {
  server_->FailCreate("mount overlay: EINVAL");
  EXPECT_EQ(RunImage({}, {"echo"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("gantryctl: mount overlay: EINVAL"));
  EXPECT_EQ(server_->pods(), 0);
}

TEST_F(AppTest, NameInUseIsRefused) {
  EXPECT_EQ(RunImage({"-d", "--name", "web"}, {"sleep"}), 0);
  EXPECT_EQ(RunImage({"-d", "--name", "web"}, {"sleep"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("gantryctl rm -f"));
  EXPECT_EQ(server_->pods(), 1);
}

TEST_F(AppTest, InterruptedRunRemovesWhatItMade) {
  std::thread interrupter([] {
    absl::SleepFor(absl::Milliseconds(100));
    SetInterruptedForTest(true);
  });
  EXPECT_EQ(RunImage({"--rm"}, {"sleep"}), 130);
  interrupter.join();
  SetInterruptedForTest(false);
  EXPECT_EQ(server_->containers(), 0);
  EXPECT_EQ(server_->pods(), 0);
}

TEST_F(AppTest, LifeOfADetachedContainer) {
  ASSERT_EQ(RunImage({"-d", "--name", "web"}, {"sleep"}), 0);
  const std::string id = out_.str().substr(0, 64);
  EXPECT_EQ(Run({"ps"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr(id.substr(0, 12)));
  EXPECT_THAT(out_.str(), Not(HasSubstr(id)));
  EXPECT_THAT(out_.str(), HasSubstr("running"));
  EXPECT_EQ(Run({"rm", "web"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("still runs"));
  EXPECT_EQ(Run({"inspect", id.substr(0, 6)}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"pid\": 7"));
  EXPECT_EQ(Run({"stop", "web"}), 0);
  EXPECT_EQ(Run({"ps"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr("web")));
  EXPECT_EQ(Run({"ps", "-a"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("exited"));
  EXPECT_EQ(Run({"rmp", "web"}), 0);
  EXPECT_EQ(server_->pods(), 0);
}

TEST_F(AppTest, ExecPrintsBothStreamsAndPassesTheExitCodeOn) {
  ::runtime::v1::ExecSyncResponse answer;
  answer.set_stdout("to out");
  answer.set_stderr("to err");
  answer.set_exit_code(3);
  server_->SetExecAnswer(answer);
  ASSERT_EQ(RunImage({"-d", "--name", "web"}, {"sleep"}), 0);
  EXPECT_EQ(Run({"exec", "web", "sh", "-c", "exit 3", "--help"}), 3);
  EXPECT_EQ(out_.str(), "to out");
  EXPECT_EQ(err_.str(), "to err");
  EXPECT_THAT(server_->last_exec(),
              ElementsAre("sh", "-c", "exit 3", "--help"));
  EXPECT_EQ(Run({"exec", "web", "--", "ls", "--"}), 3);
  EXPECT_THAT(server_->last_exec(), ElementsAre("ls", "--"));
}

TEST_F(AppTest, StreamingCommandsCheckBeforeTheyConnect) {
  ASSERT_EQ(RunImage({"-d", "--name", "web"}, {"sleep"}), 0);
  EXPECT_EQ(Run({"attach", "none"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("none"));
  EXPECT_EQ(Run({"exec", "-it", "none", "sh"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("none"));
  EXPECT_EQ(Run({"port-forward", "web", "80:x"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("expected a port from 1 to 65535"));
}

TEST_F(AppTest, PodStatsShowTheNetworkToo) {
  ASSERT_EQ(RunImage({"-d", "--name", "web"}, {"sleep"}), 0);
  EXPECT_EQ(Run({"stats", "--pods"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("RECEIVED"));
  EXPECT_THAT(out_.str(), HasSubstr("25.0    2.0 KiB   -       4.0 KiB"));
  EXPECT_EQ(Run({"stats", "--pods", "--output", "json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"usageNanoCores\""));
  EXPECT_EQ(Run({"stats", "--pods", "nothing"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("nothing"));
}

TEST_F(AppTest, EventsArePrintedAsTheyCome) {
  ::runtime::v1::ContainerEventResponse event;
  event.set_container_id("0123456789abcdef");
  event.set_container_event_type(::runtime::v1::CONTAINER_STOPPED_EVENT);
  event.mutable_pod_sandbox_status()->set_id("fedcba9876543210");
  event.mutable_pod_sandbox_status()->mutable_metadata()->set_name("pod");
  ::runtime::v1::ContainerStatus& status = *event.add_containers_statuses();
  status.set_id("0123456789abcdef");
  status.mutable_metadata()->set_name("web\n");
  status.set_state(::runtime::v1::CONTAINER_EXITED);
  status.set_reason("Error");
  status.set_exit_code(3);
  server_->AddEvent(event);
  event.set_container_id("fedcba9876543210");
  event.set_container_event_type(::runtime::v1::CONTAINER_DELETED_EVENT);
  server_->AddEvent(event);
  EXPECT_EQ(Run({"events"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("container  stopped  0123456789ab  "
                                    "web? (Error, exit code 3)\n"));
  EXPECT_THAT(out_.str(), HasSubstr("pod        deleted  fedcba987654  pod\n"));
  EXPECT_EQ(Run({"events", "--output", "json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("CONTAINER_STOPPED_EVENT"));
}

TEST_F(AppTest, LogsOfAnExitedContainer) {
  ASSERT_EQ(RunImage({"--name", "talker"}, {"echo", "hello"}), 0);
  EXPECT_EQ(Run({"logs", "talker"}), 0);
  EXPECT_EQ(out_.str(), "hello\n");
  EXPECT_EQ(Run({"logs", "-f", "--tail", "0", "talker"}), 0);
  EXPECT_EQ(out_.str(), "");
}

}  // namespace
}  // namespace gantry::ctl
