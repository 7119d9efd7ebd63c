#include "server/cri/translate_namespaces.h"

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::LinuxContainerSecurityContext;
using ::testing::HasSubstr;
using testing::StatusIs;

spec::Namespaces PodWithPid(spec::NamespaceMode pid) {
  spec::Namespaces pod;
  pod.set_pid(pid);
  return pod;
}

LinuxContainerSecurityContext WithPid(runtime::v1::NamespaceMode pid) {
  LinuxContainerSecurityContext context;
  context.mutable_namespace_options()->set_pid(pid);
  return context;
}

TEST(ContainerNamespaces, WithoutOptionsAreThePods) {
  for (auto mode : {spec::POD, spec::CONTAINER, spec::NODE}) {
    ASSERT_OK_AND_ASSIGN(
        spec::Namespaces own,
        ContainerNamespacesFromCri(LinuxContainerSecurityContext(),
                                   PodWithPid(mode), true, "s"));
    EXPECT_EQ(own.pid(), mode);
  }
}

TEST(ContainerNamespaces, PidPodIsWhatThePodHas) {
  ASSERT_OK_AND_ASSIGN(
      spec::Namespaces shared,
      ContainerNamespacesFromCri(WithPid(runtime::v1::POD),
                                 PodWithPid(spec::POD), true, "s"));
  EXPECT_EQ(shared.pid(), spec::POD);
  ASSERT_OK_AND_ASSIGN(
      spec::Namespaces host,
      ContainerNamespacesFromCri(WithPid(runtime::v1::POD),
                                 PodWithPid(spec::NODE), true, "s"));
  EXPECT_EQ(host.pid(), spec::NODE);
}

TEST(ContainerNamespaces, PidPodNobodyMeantIsTheContainersOwn) {
  ASSERT_OK_AND_ASSIGN(
      spec::Namespaces own,
      ContainerNamespacesFromCri(WithPid(runtime::v1::POD),
                                 PodWithPid(spec::CONTAINER), false, "s"));
  EXPECT_EQ(own.pid(), spec::CONTAINER);
}

TEST(ContainerNamespaces, PidPodOfAPodThatSharesNoneIsRefused) {
  EXPECT_THAT(
      ContainerNamespacesFromCri(WithPid(runtime::v1::POD),
                                 PodWithPid(spec::CONTAINER), true, "s"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("s.namespace_options.pid")));
}

TEST(ContainerNamespaces, TargetNeedsItsId) {
  LinuxContainerSecurityContext context = WithPid(runtime::v1::TARGET);
  EXPECT_THAT(ContainerNamespacesFromCri(context, PodWithPid(spec::CONTAINER),
                                         true, "s"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("s.namespace_options.target_id")));
  context.mutable_namespace_options()->set_target_id("c1");
  ASSERT_OK_AND_ASSIGN(spec::Namespaces target,
                       ContainerNamespacesFromCri(
                           context, PodWithPid(spec::CONTAINER), true, "s"));
  EXPECT_EQ(target.pid(), spec::TARGET);
  EXPECT_EQ(target.target_id(), "c1");
  context.mutable_namespace_options()->set_pid(runtime::v1::CONTAINER);
  EXPECT_THAT(ContainerNamespacesFromCri(context, PodWithPid(spec::CONTAINER),
                                         true, "s"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("s.namespace_options.target_id")));
}

TEST(ContainerNamespaces, TheHostsNetworkIsThePodsToChoose) {
  LinuxContainerSecurityContext context = WithPid(runtime::v1::CONTAINER);
  context.mutable_namespace_options()->set_network(runtime::v1::NODE);
  spec::Namespaces pod = PodWithPid(spec::CONTAINER);
  EXPECT_THAT(ContainerNamespacesFromCri(context, pod, true, "s"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("s.namespace_options.network")));
  pod.set_network(spec::NODE);
  ASSERT_OK_AND_ASSIGN(spec::Namespaces same,
                       ContainerNamespacesFromCri(context, pod, true, "s"));
  EXPECT_EQ(same.network(), spec::NODE);
}

TEST(PodNamespaces, NetworkAndIpcArePodOrNode) {
  for (int mode = -1; mode <= 4; ++mode) {
    const bool good = mode == runtime::v1::POD || mode == runtime::v1::NODE;
    runtime::v1::LinuxSandboxSecurityContext context;
    auto& options = *context.mutable_namespace_options();
    options.set_network(static_cast<runtime::v1::NamespaceMode>(mode));
    EXPECT_EQ(PodNamespacesFromCri(context, {}, "s").ok(), good) << mode;
    options.set_network(runtime::v1::POD);
    options.set_ipc(static_cast<runtime::v1::NamespaceMode>(mode));
    EXPECT_EQ(PodNamespacesFromCri(context, {}, "s").ok(), good) << mode;
  }
}

TEST(PodNamespaces, PidIsAnythingButATarget) {
  runtime::v1::LinuxSandboxSecurityContext context;
  for (int mode = -1; mode <= 4; ++mode) {
    context.mutable_namespace_options()->set_pid(
        static_cast<runtime::v1::NamespaceMode>(mode));
    EXPECT_EQ(PodNamespacesFromCri(context, {}, "s").ok(),
              mode >= 0 && mode < 3)
        << mode;
  }
}

TEST(ContainerNamespaces, NetworkAndIpcArePodOrNode) {
  spec::Namespaces pod = PodWithPid(spec::CONTAINER);
  pod.set_network(spec::NODE);
  pod.set_ipc(spec::NODE);
  for (int mode = -1; mode <= 4; ++mode) {
    const bool good = mode == runtime::v1::POD || mode == runtime::v1::NODE;
    LinuxContainerSecurityContext context = WithPid(runtime::v1::CONTAINER);
    auto& options = *context.mutable_namespace_options();
    options.set_network(static_cast<runtime::v1::NamespaceMode>(mode));
    EXPECT_EQ(ContainerNamespacesFromCri(context, pod, true, "s").ok(), good)
        << mode;
    options.set_network(runtime::v1::POD);
    options.set_ipc(static_cast<runtime::v1::NamespaceMode>(mode));
    EXPECT_EQ(ContainerNamespacesFromCri(context, pod, true, "s").ok(), good)
        << mode;
  }
}

TEST(ContainerNamespaces, UserNamespaceOfTheNodeIsFine) {
  LinuxContainerSecurityContext context = WithPid(runtime::v1::CONTAINER);
  auto& user = *context.mutable_namespace_options()->mutable_userns_options();
  user.set_mode(runtime::v1::NODE);
  EXPECT_OK(ContainerNamespacesFromCri(context, PodWithPid(spec::CONTAINER),
                                       true, "s"));
  user.add_uids()->set_length(1);
  EXPECT_THAT(ContainerNamespacesFromCri(context, PodWithPid(spec::CONTAINER),
                                         true, "s"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

runtime::v1::UserNamespace OwnUsers() {
  runtime::v1::UserNamespace user;
  user.set_mode(runtime::v1::POD);
  for (auto* mapping : {user.add_uids(), user.add_gids()}) {
    mapping->set_host_id(65536);
    mapping->set_length(65536);
  }
  return user;
}

absl::StatusOr<spec::Namespaces> PodWith(
    const runtime::v1::UserNamespace& user) {
  runtime::v1::LinuxSandboxSecurityContext context;
  *context.mutable_namespace_options()->mutable_userns_options() = user;
  HostAbilities host;
  host.user_namespaces = true;
  return PodNamespacesFromCri(context, host, "s");
}

TEST(PodNamespaces, AUserNamespaceOfItsOwn) {
  ASSERT_OK_AND_ASSIGN(spec::Namespaces pod, PodWith(OwnUsers()));
  EXPECT_EQ(pod.user().uids().host_id(), 65536u);
  EXPECT_EQ(pod.user().gids().length(), 65536u);
  const runtime::v1::NamespaceOption said = NamespacesToCri(pod);
  EXPECT_EQ(said.userns_options().SerializeAsString(),
            OwnUsers().SerializeAsString());
  EXPECT_FALSE(NamespacesToCri(spec::Namespaces()).has_userns_options());
}

TEST(PodNamespaces, AHostThatCannotMapIdsRefusesIt) {
  runtime::v1::LinuxSandboxSecurityContext context;
  *context.mutable_namespace_options()->mutable_userns_options() = OwnUsers();
  EXPECT_THAT(PodNamespacesFromCri(context, {}, "s"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("s.namespace_options.userns_options")));
}

TEST(PodNamespaces, BadUserNamespacesNameTheirField) {
  using Spoil = void (*)(runtime::v1::UserNamespace&);
  const std::pair<Spoil, const char*> kBad[] = {
      {[](auto& u) { u.set_mode(runtime::v1::CONTAINER); }, ".mode"},
      {[](auto& u) { u.set_mode(runtime::v1::TARGET); }, ".mode"},
      {[](auto& u) { u.set_mode(runtime::v1::NODE); }, "takes no mappings"},
      {[](auto& u) { u.clear_uids(); }, ".uids: expected one range, found 0"},
      {[](auto& u) { u.add_gids(); }, ".gids: expected one range, found 2"},
      {[](auto& u) { u.mutable_uids(0)->set_length(0); }, ".uids[0].length"},
      {[](auto& u) { u.mutable_gids(0)->set_container_id(1); },
       ".gids[0].container_id"},
      {[](auto& u) { u.mutable_uids(0)->set_host_id(0); }, ".uids[0].host_id"},
      {[](auto& u) { u.mutable_uids(0)->set_host_id(0xffffff00); },
       ".uids[0].length"},
      {[](auto& u) { u.mutable_gids(0)->set_length(1); }, ".gids: length"}};
  for (const auto& [spoil, what] : kBad) {
    runtime::v1::UserNamespace user = OwnUsers();
    spoil(user);
    EXPECT_THAT(PodWith(user),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(what)))
        << what;
  }
}

TEST(ContainerNamespaces, TheUserNamespaceIsThePods) {
  ASSERT_OK_AND_ASSIGN(spec::Namespaces pod, PodWith(OwnUsers()));
  LinuxContainerSecurityContext context = WithPid(runtime::v1::CONTAINER);
  ASSERT_OK_AND_ASSIGN(spec::Namespaces same,
                       ContainerNamespacesFromCri(context, pod, true, "s"));
  EXPECT_TRUE(same.has_user());
  auto& own = *context.mutable_namespace_options()->mutable_userns_options();
  own = OwnUsers();
  EXPECT_OK(ContainerNamespacesFromCri(context, pod, true, "s"));
  own.mutable_uids(0)->set_host_id(131072);
  const auto differs = StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("userns_options: differs"));
  EXPECT_THAT(ContainerNamespacesFromCri(context, pod, true, "s"), differs);
  own.Clear();
  own.set_mode(runtime::v1::NODE);
  EXPECT_THAT(ContainerNamespacesFromCri(context, pod, true, "s"), differs);
  own = OwnUsers();
  EXPECT_THAT(ContainerNamespacesFromCri(context, PodWithPid(spec::CONTAINER),
                                         true, "s"),
              differs);
}

}  // namespace
}  // namespace gantry::cri
