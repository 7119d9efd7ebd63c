#include "server/cri/translate_container.h"

#include <signal.h>

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using record::ContainerRecord;
using ::runtime::v1::ContainerConfig;
using ::runtime::v1::CreateContainerRequest;
using ::runtime::v1::PodSandboxConfig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnbuilt = absl::StatusCode::kUnimplemented;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

CreateContainerRequest GoodRequest() {
  CreateContainerRequest request;
  request.set_pod_sandbox_id("p1");
  ContainerConfig& config = *request.mutable_config();
  config.mutable_metadata()->set_name("main");
  config.mutable_metadata()->set_attempt(3);
  config.mutable_image()->set_image("busybox");
  config.add_command("sh");
  config.add_args("-c");
  config.set_working_dir("/srv");
  auto& env = *config.add_envs();
  env.set_key("MOTD");
  env.set_value("two\nlines=\x1b[1m");
  auto& mount = *config.add_mounts();
  mount.set_host_path("/data");
  mount.set_container_path("/srv/data");
  mount.set_readonly(true);
  mount.set_propagation(runtime::v1::PROPAGATION_HOST_TO_CONTAINER);
  mount.add_mount_options("noexec");
  auto& device = *config.add_devices();
  device.set_host_path("/dev/fuse");
  device.set_container_path("/dev/fuse");
  device.set_permissions("rw");
  config.set_log_path("main/0.log");
  config.set_stdin(true);
  config.set_stdin_once(true);
  config.set_tty(true);
  config.set_stop_signal(runtime::v1::SIGNAL_SIGUSR1);
  auto& linux = *config.mutable_linux();
  linux.mutable_resources()->set_memory_limit_in_bytes(1 << 20);
  linux.mutable_resources()->set_oom_score_adj(100);
  linux.mutable_security_context()->set_readonly_rootfs(true);
  linux.mutable_security_context()->set_no_new_privs(true);
  return request;
}

TEST(ContainerRequestFromCri, AVariableMayHoldAnyBytesButZero) {
  CreateContainerRequest cri = GoodRequest();
  cri.mutable_config()->mutable_envs(0)->set_value("\xff\xfe");
  ASSERT_OK_AND_ASSIGN(core::ContainerRequest request,
                       ContainerRequestFromCri(cri, PodSandboxConfig(), {}));
  EXPECT_THAT(request.spec.process().env(), ElementsAre("MOTD=\xff\xfe"));
  // And survives the record.
  spec::ContainerSpec read;
  EXPECT_TRUE(read.ParseFromString(request.spec.SerializeAsString()));
  EXPECT_EQ(read.process().env(0), "MOTD=\xff\xfe");
}

TEST(ContainerRequestFromCri, TakesEverything) {
  ASSERT_OK_AND_ASSIGN(
      core::ContainerRequest to,
      ContainerRequestFromCri(GoodRequest(), PodSandboxConfig(), {}));
  EXPECT_EQ(to.pod_id, "p1");
  EXPECT_EQ(to.metadata.name(), "main");
  EXPECT_EQ(to.metadata.attempt(), 3);
  EXPECT_EQ(to.image, "busybox");
  EXPECT_THAT(to.command, ElementsAre("sh"));
  EXPECT_THAT(to.args, ElementsAre("-c"));
  EXPECT_EQ(to.log_path, "main/0.log");
  EXPECT_EQ(to.stop_signal, SIGUSR1);
  const spec::ContainerSpec& spec = to.spec;
  EXPECT_EQ(spec.process().cwd(), "/srv");
  EXPECT_EQ(spec.process().oom_score_adj(), 100);
  EXPECT_THAT(spec.process().env(), ElementsAre("MOTD=two\nlines=\x1b[1m"));
  ASSERT_EQ(spec.mounts_size(), 1);
  EXPECT_EQ(spec.mounts(0).host_path(), "/data");
  EXPECT_TRUE(spec.mounts(0).read_only());
  EXPECT_EQ(spec.mounts(0).propagation(), spec::HOST_TO_CONTAINER);
  EXPECT_THAT(spec.mounts(0).options(), ElementsAre("noexec"));
  ASSERT_EQ(spec.devices_size(), 1);
  EXPECT_EQ(spec.devices(0).permissions(), "rw");
  EXPECT_TRUE(spec.stdio().terminal());
  EXPECT_TRUE(spec.stdio().stdin());
  EXPECT_TRUE(spec.stdio().stdin_once());
  EXPECT_TRUE(spec.rootfs().read_only());
  EXPECT_TRUE(spec.security().no_new_privs());
  EXPECT_EQ(spec.resources().memory_limit(), 1 << 20);
  EXPECT_EQ(spec.namespaces().pid(), spec::CONTAINER);
  ContainerConfig kept;
  ASSERT_TRUE(kept.ParseFromString(to.cri_config));
  EXPECT_EQ(kept.metadata().name(), "main");
}

TEST(ContainerRequestFromCri, TheConfigurationOfAnotherPodIsRefused) {
  PodSandboxConfig pod;
  pod.mutable_metadata()->set_name("web");
  pod.mutable_metadata()->set_uid("u1");
  CreateContainerRequest request = GoodRequest();
  *request.mutable_sandbox_config() = pod;
  EXPECT_OK(ContainerRequestFromCri(request, pod, {}));
  request.mutable_sandbox_config()->mutable_metadata()->set_uid("u2");
  EXPECT_THAT(ContainerRequestFromCri(request, pod, {}),
              StatusIs(kInvalid, HasSubstr("sandbox_config.metadata.uid: ")));
  // Nothing is said by leaving it out.
  request.mutable_sandbox_config()->clear_metadata();
  EXPECT_OK(ContainerRequestFromCri(request, pod, {}));
}

struct BadCase {
  const char* what;
  std::function<void(ContainerConfig&)> spoil;
  absl::StatusCode code;
  const char* field;
};

const std::vector<BadCase>& BadCases() {
  using C = ContainerConfig;
  static const auto* const cases = new std::vector<BadCase>{
      {"no metadata", [](C& c) { c.clear_metadata(); }, kInvalid,
       "config.metadata"},
      {"empty name", [](C& c) { c.mutable_metadata()->set_name(""); }, kInvalid,
       "config.metadata.name"},
      {"traversal in name",
       [](C& c) { c.mutable_metadata()->set_name("../x"); }, kInvalid,
       "config.metadata.name"},
      {"no image", [](C& c) { c.clear_image(); }, kInvalid,
       "config.image.image"},
      {"image of another handler",
       [](C& c) { c.mutable_image()->set_runtime_handler("kata"); }, kInvalid,
       "config.image.runtime_handler"},
      {"for Windows",
       [](C& c) { c.mutable_windows()->mutable_resources()->set_cpu_count(1); },
       kInvalid, "config.windows.resources.cpu_count"},
      {"zero byte in command",
       [](C& c) { c.set_command(0, std::string("s\0h", 3)); }, kInvalid,
       "config.command[0]"},
      {"empty program", [](C& c) { c.set_command(0, ""); }, kInvalid,
       "config.command[0]"},
      {"zero byte in arguments", [](C& c) { c.add_args(std::string("\0", 1)); },
       kInvalid, "config.args[1]"},
      {"relative working directory", [](C& c) { c.set_working_dir("srv"); },
       kInvalid, "config.working_dir"},
      {"nameless variable", [](C& c) { c.mutable_envs(0)->set_key(""); },
       kInvalid, "config.envs[0].key"},
      {"'=' in a variable's name",
       [](C& c) { c.mutable_envs(0)->set_key("A=B"); }, kInvalid,
       "config.envs[0].key"},
      {"zero byte in a variable",
       [](C& c) { c.mutable_envs(0)->set_value(std::string("a\0b", 3)); },
       kInvalid, "config.envs[0].value"},
      {"relative mount target",
       [](C& c) { c.mutable_mounts(0)->set_container_path("srv"); }, kInvalid,
       "config.mounts[0].container_path"},
      {"mount on the root",
       [](C& c) { c.mutable_mounts(0)->set_container_path("//."); }, kInvalid,
       "config.mounts[0].container_path"},
      {"relative mount source",
       [](C& c) { c.mutable_mounts(0)->set_host_path("data"); }, kInvalid,
       "config.mounts[0].host_path"},
      {"no mount source", [](C& c) { c.mutable_mounts(0)->clear_host_path(); },
       kInvalid, "config.mounts[0].host_path"},
      {"image mount of a host path",
       [](C& c) { c.mutable_mounts(0)->mutable_image()->set_image("x"); },
       kInvalid, "config.mounts[0].host_path"},
      {"unknown propagation",
       [](C& c) {
         c.mutable_mounts(0)->set_propagation(
             static_cast<runtime::v1::MountPropagation>(9));
       },
       kInvalid, "config.mounts[0].propagation"},
      {"unknown mount option",
       [](C& c) { c.mutable_mounts(0)->add_mount_options("sideways"); },
       kInvalid, "config.mounts[0].mount_options[1]"},
      {"recursive read-only of what is writable",
       [](C& c) {
         c.mutable_mounts(0)->set_recursive_read_only(true);
         c.mutable_mounts(0)->set_readonly(false);
       },
       kInvalid, "config.mounts[0].recursive_read_only"},
      {"recursive read-only with propagation",
       [](C& c) { c.mutable_mounts(0)->set_recursive_read_only(true); },
       kInvalid, "config.mounts[0].recursive_read_only"},
      {"recursive read-only on an old kernel",
       [](C& c) {
         c.mutable_mounts(0)->set_recursive_read_only(true);
         c.mutable_mounts(0)->set_propagation(runtime::v1::PROPAGATION_PRIVATE);
       },
       kPrecondition, "config.mounts[0].recursive_read_only"},
      {"relative device",
       [](C& c) { c.mutable_devices(0)->set_host_path("fuse"); }, kInvalid,
       "config.devices[0].host_path"},
      {"device permissions",
       [](C& c) { c.mutable_devices(0)->set_permissions("rwx"); }, kInvalid,
       "config.devices[0].permissions"},
      {"CDI device", [](C& c) { c.add_cdi_devices()->set_name("a/b"); },
       kInvalid, "config.CDI_devices[0].name"},
      {"absolute log path", [](C& c) { c.set_log_path("/etc/passwd"); },
       kInvalid, "config.log_path"},
      {"traversal in log path",
       [](C& c) { c.set_log_path("../../../etc/cron.d/x"); }, kInvalid,
       "config.log_path"},
      {"unknown signal",
       [](C& c) { c.set_stop_signal(static_cast<runtime::v1::Signal>(200)); },
       kInvalid, "config.stop_signal"},
      {"oom_score_adj out of range",
       [](C& c) {
         c.mutable_linux()->mutable_resources()->set_oom_score_adj(2000);
       },
       kInvalid, "config.linux.resources.oom_score_adj"},
      {"negative period",
       [](C& c) { c.mutable_linux()->mutable_resources()->set_cpu_period(-1); },
       kInvalid, "config.linux.resources.cpu_period"},
      {"privileged in a pod that is not",
       [](C& c) {
         c.mutable_linux()->mutable_security_context()->set_privileged(true);
       },
       kPrecondition, "config.linux.security_context.privileged"},
      {"SELinux label",
       [](C& c) {
         c.mutable_linux()
             ->mutable_security_context()
             ->mutable_selinux_options()
             ->set_level("s0");
       },
       kPrecondition, "config.linux.security_context.selinux_options"},
      {"SELinux label with a label in it",
       [](C& c) {
         c.mutable_linux()
             ->mutable_security_context()
             ->mutable_selinux_options()
             ->set_type("container_t:s0");
       },
       kInvalid, "config.linux.security_context.selinux_options.type"},
  };
  return *cases;
}

TEST(ContainerRequestFromCri, BadValuesNameTheirField) {
  for (const BadCase& bad : BadCases()) {
    CreateContainerRequest request = GoodRequest();
    bad.spoil(*request.mutable_config());
    EXPECT_THAT(ContainerRequestFromCri(request, PodSandboxConfig(), {}),
                StatusIs(bad.code, HasSubstr(bad.field)))
        << bad.what;
  }
}

TEST(ContainerRequestFromCri, ErrorsDoNotShowValuesOfVariables) {
  CreateContainerRequest request = GoodRequest();
  request.mutable_config()->mutable_envs(0)->set_value(
      std::string("hunter2\0", 8));
  absl::Status status =
      ContainerRequestFromCri(request, PodSandboxConfig(), {}).status();
  EXPECT_THAT(std::string(status.message()),
              ::testing::Not(HasSubstr("hunter2")));
}

TEST(ContainerRequestFromCri, PrivilegedInAPrivilegedPod) {
  CreateContainerRequest request = GoodRequest();
  request.mutable_config()
      ->mutable_linux()
      ->mutable_security_context()
      ->set_privileged(true);
  PodSandboxConfig pod;
  pod.mutable_linux()->mutable_security_context()->set_privileged(true);
  ASSERT_OK_AND_ASSIGN(core::ContainerRequest to,
                       ContainerRequestFromCri(request, pod, {}));
  EXPECT_TRUE(to.spec.security().privileged());
}

TEST(ContainerStateToCri, FollowsTheRecord) {
  ContainerRecord container;
  struct {
    ContainerRecord::State state;
    runtime::v1::ContainerState cri;
  } const cases[] = {
      {ContainerRecord::CREATED, runtime::v1::CONTAINER_CREATED},
      {ContainerRecord::STARTING, runtime::v1::CONTAINER_CREATED},
      {ContainerRecord::RUNNING, runtime::v1::CONTAINER_RUNNING},
      {ContainerRecord::EXITED, runtime::v1::CONTAINER_EXITED},
      {ContainerRecord::REMOVING, runtime::v1::CONTAINER_UNKNOWN},
  };
  for (const auto& c : cases) {
    container.set_state(c.state);
    EXPECT_EQ(ContainerStateToCri(container), c.cri);
  }
  container.mutable_exited();
  EXPECT_EQ(ContainerStateToCri(container), runtime::v1::CONTAINER_EXITED);
}

TEST(ContainerStatusToCri, TellsTheClientsWordsAndWhatBecameOfThem) {
  ContainerRecord container;
  container.set_id("c1");
  container.set_state(ContainerRecord::EXITED);
  container.mutable_metadata()->set_name("main");
  container.set_created_at(1);
  container.mutable_started()->set_started_at(2);
  container.mutable_started()->mutable_user()->set_uid(5);
  container.mutable_started()->mutable_user()->add_groups(6);
  container.mutable_exited()->set_finished_at(3);
  container.mutable_exited()->set_exit_code(137);
  container.set_reason("OOMKilled");
  container.set_image_id("sha256:1");
  container.mutable_spec()->mutable_stdio()->set_log_path("/l/main.log");
  container.mutable_spec()->mutable_resources()->set_memory_limit(9);
  ContainerConfig config = GoodRequest().config();
  runtime::v1::ContainerStatus status =
      ContainerStatusToCri(container, config, "busybox@sha256:2");
  EXPECT_EQ(status.state(), runtime::v1::CONTAINER_EXITED);
  EXPECT_EQ(status.started_at(), 2);
  EXPECT_EQ(status.finished_at(), 3);
  EXPECT_EQ(status.exit_code(), 137);
  EXPECT_EQ(status.reason(), "OOMKilled");
  EXPECT_EQ(status.image().image(), "busybox");
  EXPECT_EQ(status.image_ref(), "busybox@sha256:2");
  EXPECT_EQ(status.image_id(), "sha256:1");
  EXPECT_EQ(status.log_path(), "/l/main.log");
  EXPECT_EQ(status.resources().linux().memory_limit_in_bytes(), 9);
  EXPECT_EQ(status.user().linux().uid(), 5);
  EXPECT_THAT(status.user().linux().supplemental_groups(), ElementsAre(6));
  EXPECT_EQ(status.stop_signal(), runtime::v1::SIGNAL_SIGTERM);
  ASSERT_EQ(status.mounts_size(), 1);
  EXPECT_EQ(status.mounts(0).container_path(), "/srv/data");
}

TEST(ContainerStatusToCri, NoUserBeforeTheStart) {
  EXPECT_FALSE(ContainerStatusToCri(ContainerRecord(), ContainerConfig(), "")
                   .has_user());
}

}  // namespace
}  // namespace gantry::cri
