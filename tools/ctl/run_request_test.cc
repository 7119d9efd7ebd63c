#include "tools/ctl/run_request.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::ctl {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace v1 = ::runtime::v1;

constexpr char kUid[] = "0123456789abcdef";

absl::StatusOr<RunRequest> Make(const RunOptions& options) {
  return MakeRunRequest(options, kUid,
                        [](const char*) -> const char* { return nullptr; });
}

RunOptions Busybox() {
  RunOptions options;
  options.image = "localhost/busybox:latest";
  return options;
}

TEST(MakeRunRequest, DefaultsAreIsolatedAndFiltered) {
  ASSERT_OK_AND_ASSIGN(RunRequest request, Make(Busybox()));
  EXPECT_EQ(request.pod.metadata().name(), "busybox-012345");
  EXPECT_EQ(request.pod.hostname(), "busybox-012345");
  EXPECT_EQ(request.pod.log_directory(),
            "/var/log/gantry/pods/gantryctl_busybox-012345_0123456789abcdef");
  EXPECT_EQ(request.container.log_path(), "busybox-012345.log");
  const v1::LinuxContainerSecurityContext& security =
      request.container.linux().security_context();
  EXPECT_EQ(security.namespace_options().network(), v1::POD);
  EXPECT_EQ(security.namespace_options().pid(), v1::CONTAINER);
  EXPECT_EQ(security.seccomp().profile_type(),
            v1::SecurityProfile::RuntimeDefault);
  EXPECT_FALSE(security.privileged());
  EXPECT_EQ(request.pod.labels().at(kRunLabel), kUid);
  EXPECT_EQ(request.container.labels().at(kRunLabel), kUid);
}

TEST(MakeRunRequest, CommandReplacesTheImagesArgumentsNotItsEntrypoint) {
  RunOptions options = Busybox();
  options.command = {"sh", "-c", "echo hi"};
  ASSERT_OK_AND_ASSIGN(RunRequest request, Make(options));
  EXPECT_THAT(request.container.args(), ElementsAre("sh", "-c", "echo hi"));
  EXPECT_TRUE(request.container.command().empty());
}

TEST(MakeRunRequest, LimitsMountsAndUser) {
  RunOptions options = Busybox();
  options.memory = "100m";
  options.cpus = "0.5";
  options.mounts = {"type=bind,src=/a,dst=/b,ro"};
  options.env = {"K=V"};
  options.user = "1000:100";
  options.network = "host";
  options.pid = "pod";
  options.privileged = true;
  options.read_only = true;
  ASSERT_OK_AND_ASSIGN(RunRequest request, Make(options));
  const v1::LinuxContainerConfig& config = request.container.linux();
  EXPECT_EQ(config.resources().memory_limit_in_bytes(), 104857600);
  EXPECT_EQ(config.resources().cpu_period(), 100000);
  EXPECT_EQ(config.resources().cpu_quota(), 50000);
  EXPECT_EQ(config.security_context().run_as_user().value(), 1000);
  EXPECT_EQ(config.security_context().run_as_group().value(), 100);
  EXPECT_TRUE(config.security_context().privileged());
  EXPECT_TRUE(config.security_context().readonly_rootfs());
  EXPECT_EQ(config.security_context().seccomp().profile_type(),
            v1::SecurityProfile::Unconfined);
  ASSERT_EQ(request.container.mounts_size(), 1);
  EXPECT_TRUE(request.container.mounts(0).readonly());
  EXPECT_EQ(request.container.envs(0).value(), "V");
  EXPECT_TRUE(request.pod.linux().security_context().privileged());
  EXPECT_EQ(request.pod.hostname(), "");
  EXPECT_EQ(
      request.pod.linux().security_context().namespace_options().network(),
      v1::NODE);
}

TEST(MakeRunRequest, ErrorsNameTheOption) {
  const auto refused = [](void (*change)(RunOptions&), const char* option) {
    RunOptions options = Busybox();
    change(options);
    EXPECT_THAT(Make(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr(option)));
  };
  refused([](RunOptions& o) { o.memory = "much"; }, "--memory");
  refused([](RunOptions& o) { o.cpus = "0"; }, "--cpus");
  refused([](RunOptions& o) { o.user = ":"; }, "--user");
  refused([](RunOptions& o) { o.network = "moon"; }, "--network");
  refused([](RunOptions& o) { o.network = "none"; }, "pod or host");
  refused([](RunOptions& o) { o.pid = "moon"; }, "--pid");
  refused([](RunOptions& o) { o.mounts = {"x"}; }, "--mount");
  refused([](RunOptions& o) { o.env = {"UNSET"}; }, "--env");
  refused([](RunOptions& o) { o.name = "../x"; }, "--name");
  refused([](RunOptions& o) { o.labels = {"=x"}; }, "--label");
  refused([](RunOptions& o) { o.log_root = "logs"; }, "--log-root");
  refused([](RunOptions& o) { o.remove = o.detach = true; }, "--rm");
  refused([](RunOptions& o) { o.network = "host", o.hostname = "x"; },
          "--hostname");
}

TEST(BaseName, LastPartWithoutTagAndDigest) {
  EXPECT_EQ(BaseName("docker.io/library/busybox:1.36"), "busybox");
  EXPECT_EQ(BaseName("localhost:5000/a/My_App@sha256:00"), "myapp");
  EXPECT_EQ(BaseName("sha256:0011"), "sha256");
  EXPECT_EQ(BaseName("_"), "container");
}

}  // namespace
}  // namespace gantry::ctl
