#include "server/cri/translate_security.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/capabilities.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::Capability;
using ::runtime::v1::LinuxContainerSecurityContext;
using ::runtime::v1::SecurityProfile;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;
using ::testing::UnorderedElementsAreArray;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

struct Lists {
  std::vector<std::string> add, drop, ambient;
};

absl::StatusOr<spec::Security> Capabilities(const Lists& lists) {
  Capability capability;
  for (const auto& name : lists.add) capability.add_add_capabilities(name);
  for (const auto& name : lists.drop) capability.add_drop_capabilities(name);
  for (const auto& name : lists.ambient) {
    capability.add_add_ambient_capabilities(name);
  }
  spec::Security security;
  absl::Status set = SetCapabilities(capability, "c", security);
  if (!set.ok()) return set;
  return security;
}

TEST(SetCapabilities, NothingSaidIsTheDefaultSet) {
  ASSERT_OK_AND_ASSIGN(spec::Security security, Capabilities({}));
  EXPECT_THAT(security.capabilities(),
              UnorderedElementsAreArray(plan::DefaultCapabilities()));
  EXPECT_THAT(security.ambient_capabilities(), IsEmpty());
}

TEST(SetCapabilities, NamesComeInEveryForm) {
  ASSERT_OK_AND_ASSIGN(
      spec::Security security,
      Capabilities({.add = {"net_admin", "CAP_SYS_TIME", "Cap_Sys_Nice"}}));
  EXPECT_THAT(security.capabilities(), Contains("CAP_NET_ADMIN"));
  EXPECT_THAT(security.capabilities(), Contains("CAP_SYS_TIME"));
  EXPECT_THAT(security.capabilities(), Contains("CAP_SYS_NICE"));
}

TEST(SetCapabilities, AllCountsFirst) {
  ASSERT_OK_AND_ASSIGN(spec::Security one,
                       Capabilities({.add = {"CHOWN"}, .drop = {"ALL"}}));
  EXPECT_THAT(one.capabilities(), ElementsAre("CAP_CHOWN"));
  ASSERT_OK_AND_ASSIGN(spec::Security most,
                       Capabilities({.add = {"all"}, .drop = {"SYS_ADMIN"}}));
  EXPECT_EQ(most.capabilities_size(),
            static_cast<int>(plan::AllCapabilities().size()) - 1);
  EXPECT_THAT(most.capabilities(), Not(Contains("CAP_SYS_ADMIN")));
}

TEST(SetCapabilities, AddedAndDroppedByNameIsDropped) {
  ASSERT_OK_AND_ASSIGN(
      spec::Security security,
      Capabilities(
          {.add = {"NET_ADMIN"}, .drop = {"NET_ADMIN"}, .ambient = {"KILL"}}));
  EXPECT_THAT(security.capabilities(), Not(Contains("CAP_NET_ADMIN")));
  EXPECT_THAT(security.ambient_capabilities(), ElementsAre("CAP_KILL"));
}

TEST(SetCapabilities, DropTakesOutOfTheAmbientSetToo) {
  ASSERT_OK_AND_ASSIGN(
      spec::Security security,
      Capabilities({.drop = {"NET_RAW"}, .ambient = {"NET_RAW", "CHOWN"}}));
  EXPECT_THAT(security.ambient_capabilities(), ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(security.capabilities(), Not(Contains("CAP_NET_RAW")));
}

TEST(SetCapabilities, UnknownNameIsRefusedByItsPlace) {
  EXPECT_THAT(Capabilities({.add = {"CHOWN", "FLY"}}),
              StatusIs(kInvalid, HasSubstr("c.add_capabilities[1]")));
  EXPECT_THAT(Capabilities({.drop = {"NOT_A_CAP"}}),
              StatusIs(kInvalid, HasSubstr("c.drop_capabilities[0]")));
}

TEST(SecurityFromCri, PrivilegedOutranksTheRest) {
  LinuxContainerSecurityContext context;
  context.set_privileged(true);
  context.mutable_capabilities()->add_drop_capabilities("ALL");
  context.mutable_seccomp()->set_profile_type(SecurityProfile::RuntimeDefault);
  ASSERT_OK_AND_ASSIGN(spec::Security security,
                       SecurityFromCri(context, {}, "s"));
  EXPECT_TRUE(security.privileged());
  EXPECT_EQ(security.seccomp().kind(), spec::SeccompProfile::UNCONFINED);
}

TEST(SecurityFromCri, SelinuxOptionsArePartsOfALabel) {
  LinuxContainerSecurityContext context;
  HostAbilities host;
  host.selinux = true;
  runtime::v1::SELinuxOption& options = *context.mutable_selinux_options();
  options.set_type("spc_t");
  options.set_level("s0:c1,c2.c9");
  ASSERT_OK_AND_ASSIGN(spec::Security security,
                       SecurityFromCri(context, host, "s"));
  EXPECT_EQ(security.selinux_options().type(), "spc_t");
  EXPECT_EQ(security.selinux_options().level(), "s0:c1,c2.c9");
  EXPECT_THAT(SecurityFromCri(context, {}, "s"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("s.selinux_options")));
  options.set_user("a,context=b");
  EXPECT_THAT(SecurityFromCri(context, host, "s"),
              StatusIs(kInvalid, HasSubstr("s.selinux_options.user")));
}

TEST(SecurityFromCri, UnsetSeccompIsWhatTheConfigurationSays) {
  LinuxContainerSecurityContext context;
  ASSERT_OK_AND_ASSIGN(spec::Security cri, SecurityFromCri(context, {}, "s"));
  EXPECT_EQ(cri.seccomp().kind(), spec::SeccompProfile::UNCONFINED);
  HostAbilities host;
  host.unset_seccomp = spec::SeccompProfile::RUNTIME_DEFAULT;
  ASSERT_OK_AND_ASSIGN(spec::Security safe,
                       SecurityFromCri(context, host, "s"));
  EXPECT_EQ(safe.seccomp().kind(), spec::SeccompProfile::RUNTIME_DEFAULT);
  context.mutable_seccomp()->set_profile_type(SecurityProfile::Unconfined);
  ASSERT_OK_AND_ASSIGN(spec::Security asked,
                       SecurityFromCri(context, host, "s"));
  EXPECT_EQ(asked.seccomp().kind(), spec::SeccompProfile::UNCONFINED);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST(SecurityFromCri, OldSeccompFieldCountsWhereTheNewIsAbsent) {
  LinuxContainerSecurityContext context;
  context.set_seccomp_profile_path("runtime/default");
  ASSERT_OK_AND_ASSIGN(spec::Security old, SecurityFromCri(context, {}, "s"));
  EXPECT_EQ(old.seccomp().kind(), spec::SeccompProfile::RUNTIME_DEFAULT);
  context.set_seccomp_profile_path("localhost//p.json");
  ASSERT_OK_AND_ASSIGN(old, SecurityFromCri(context, {}, "s"));
  EXPECT_EQ(old.seccomp().kind(), spec::SeccompProfile::LOCALHOST);
  EXPECT_EQ(old.seccomp().localhost_path(), "/p.json");
  for (const char* bad : {"nonsense", "localhost/", "localhost/p.json"}) {
    context.set_seccomp_profile_path(bad);
    EXPECT_THAT(SecurityFromCri(context, {}, "s"),
                StatusIs(kInvalid, HasSubstr("s.seccomp_profile_path")))
        << bad;
  }
}
#pragma GCC diagnostic pop

TEST(SecurityFromCri, ALocalhostProfileIsAPlainAbsolutePath) {
  LinuxContainerSecurityContext context;
  context.mutable_seccomp()->set_profile_type(SecurityProfile::Localhost);
  context.mutable_seccomp()->set_localhost_ref("/profiles/p.json");
  ASSERT_OK_AND_ASSIGN(spec::Security named, SecurityFromCri(context, {}, "s"));
  EXPECT_EQ(named.seccomp().kind(), spec::SeccompProfile::LOCALHOST);
  EXPECT_EQ(named.seccomp().localhost_path(), "/profiles/p.json");
  for (const std::string& bad :
       {std::string(), std::string("p.json"),
        std::string("/profiles/../p.json"), std::string("/p\0", 3)}) {
    context.mutable_seccomp()->set_localhost_ref(bad);
    EXPECT_THAT(SecurityFromCri(context, {}, "s"),
                StatusIs(kInvalid, HasSubstr("s.seccomp.localhost_ref")));
  }
}

TEST(SecurityFromCri, AppArmorNeedsTheKernels) {
  LinuxContainerSecurityContext context;
  context.mutable_apparmor()->set_profile_type(SecurityProfile::RuntimeDefault);
  ASSERT_OK_AND_ASSIGN(spec::Security none, SecurityFromCri(context, {}, "s"));
  EXPECT_EQ(none.apparmor_profile(), "");
  context.mutable_apparmor()->set_profile_type(SecurityProfile::Localhost);
  EXPECT_THAT(SecurityFromCri(context, {}, "s"),
              StatusIs(kInvalid, HasSubstr("s.apparmor.localhost_ref")));
  context.mutable_apparmor()->set_localhost_ref("strict");
  EXPECT_THAT(
      SecurityFromCri(context, {}, "s"),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("s.apparmor")));
}

TEST(SecurityFromCri, AppArmorProfilesAreLookedForInTheKernel) {
  std::set<std::string> loaded = {"strict"};
  HostAbilities host;
  host.apparmor = true;
  host.default_apparmor_profile = "gantry-default";
  host.has_apparmor_profile = [&loaded](absl::string_view name) {
    return loaded.count(std::string(name)) != 0;
  };
  LinuxContainerSecurityContext context;
  const auto profile = [&]() -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const spec::Security security,
                     SecurityFromCri(context, host, "s"));
    return security.apparmor_profile();
  };
  const auto missing = [](const char* name) {
    return StatusIs(absl::StatusCode::kFailedPrecondition,
                    ::testing::AllOf(HasSubstr("s.apparmor"), HasSubstr(name)));
  };
  EXPECT_THAT(profile(), IsOkAndHolds("")) << "unset, and no default there";
  context.mutable_apparmor()->set_profile_type(SecurityProfile::Localhost);
  for (const char* name : {"strict", "localhost/strict"}) {
    context.mutable_apparmor()->set_localhost_ref(name);
    EXPECT_THAT(profile(), IsOkAndHolds("strict"));
  }
  context.mutable_apparmor()->set_localhost_ref("localhost/none");
  EXPECT_THAT(profile(), missing("\"none\""));
  context.mutable_apparmor()->Clear();
  EXPECT_THAT(profile(), missing("gantry-default"));
  loaded.insert("gantry-default");
  EXPECT_THAT(profile(), IsOkAndHolds("gantry-default"));
  context.clear_apparmor();
  EXPECT_THAT(profile(), IsOkAndHolds("gantry-default"));
  context.set_privileged(true);
  EXPECT_THAT(profile(), IsOkAndHolds(""));
  context.set_privileged(false);
  context.mutable_apparmor()->set_profile_type(SecurityProfile::Unconfined);
  EXPECT_THAT(profile(), IsOkAndHolds(""));
}

TEST(SecurityFromCri, MaskedPathsAreAbsolute) {
  LinuxContainerSecurityContext context;
  context.add_masked_paths("/proc/kcore");
  context.add_readonly_paths("proc/sys");
  EXPECT_THAT(SecurityFromCri(context, {}, "s"),
              StatusIs(kInvalid, HasSubstr("s.readonly_paths[0]")));
  context.set_readonly_paths(0, "/proc/sys");
  ASSERT_OK_AND_ASSIGN(spec::Security security,
                       SecurityFromCri(context, {}, "s"));
  EXPECT_THAT(security.masked_paths(), ElementsAre("/proc/kcore"));
  EXPECT_THAT(security.readonly_paths(), ElementsAre("/proc/sys"));
}

TEST(SecurityFromCri, UnknownProfileTypeIsRefused) {
  LinuxContainerSecurityContext context;
  context.mutable_seccomp()->set_profile_type(
      static_cast<SecurityProfile::ProfileType>(7));
  EXPECT_THAT(SecurityFromCri(context, {}, "s"),
              StatusIs(kInvalid, HasSubstr("s.seccomp.profile_type")));
}

TEST(UserFromCri, NumberComesBeforeName) {
  LinuxContainerSecurityContext context;
  context.set_run_as_username("web");
  context.mutable_run_as_group()->set_value(7);
  context.add_supplemental_groups(8);
  context.set_supplemental_groups_policy(runtime::v1::Strict);
  ASSERT_OK_AND_ASSIGN(spec::User named, UserFromCri(context, "s"));
  EXPECT_EQ(named.user(), "web");
  EXPECT_EQ(named.gid(), 7);
  EXPECT_THAT(named.supplemental_gids(), ElementsAre(8));
  EXPECT_TRUE(named.strict_groups());
  context.mutable_run_as_user()->set_value(0);
  ASSERT_OK_AND_ASSIGN(spec::User numbered, UserFromCri(context, "s"));
  EXPECT_EQ(numbered.user(), "0");
}

TEST(UserFromCri, NothingSaidIsLeftToTheImage) {
  ASSERT_OK_AND_ASSIGN(spec::User user,
                       UserFromCri(LinuxContainerSecurityContext(), "s"));
  EXPECT_EQ(user.user(), "");
  EXPECT_FALSE(user.has_gid());
}

TEST(UserFromCri, BadIdsAreRefused) {
  for (int64_t id : {int64_t{-1}, int64_t{2147483648}, int64_t{4294967296}}) {
    LinuxContainerSecurityContext context;
    context.mutable_run_as_user()->set_value(id);
    EXPECT_THAT(UserFromCri(context, "s"),
                StatusIs(kInvalid, HasSubstr("s.run_as_user")));
    context.mutable_run_as_user()->set_value(1);
    context.mutable_run_as_group()->set_value(id);
    EXPECT_THAT(UserFromCri(context, "s"),
                StatusIs(kInvalid, HasSubstr("s.run_as_group")));
    context.clear_run_as_group();
    context.add_supplemental_groups(id);
    EXPECT_THAT(UserFromCri(context, "s"),
                StatusIs(kInvalid, HasSubstr("s.supplemental_groups[0]")));
  }
  LinuxContainerSecurityContext alone;
  alone.mutable_run_as_group()->set_value(1);
  EXPECT_THAT(UserFromCri(alone, "s"),
              StatusIs(kInvalid, HasSubstr("s.run_as_group")));
}

TEST(UserFromCri, NameIsOneField) {
  for (const char* name : {"web:root", "x\ny", "a\rb"}) {
    LinuxContainerSecurityContext context;
    context.set_run_as_username(name);
    EXPECT_THAT(UserFromCri(context, "s"),
                StatusIs(kInvalid, HasSubstr("s.run_as_username")));
  }
}

}  // namespace
}  // namespace gantry::cri
