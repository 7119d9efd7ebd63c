#include "server/cri/translate_security.h"

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/plan/capabilities.h"
#include "server/cri/check.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::LinuxContainerSecurityContext;
using ::runtime::v1::LinuxSandboxSecurityContext;
using ::runtime::v1::SecurityProfile;
using Names = google::protobuf::RepeatedPtrField<std::string>;

// What a list of capabilities says.
struct CapabilityList {
  bool all = false;
  std::set<std::string> names;  // "CAP_CHOWN"
};

absl::StatusOr<CapabilityList> ParseCapabilities(const Names& names,
                                                 absl::string_view field) {
  CapabilityList list;
  for (int i = 0; i < names.size(); ++i) {
    std::string name = absl::AsciiStrToUpper(names.Get(i));
    if (name == "ALL" || name == "CAP_ALL") {
      list.all = true;
      continue;
    }
    if (!absl::StartsWith(name, "CAP_")) name = absl::StrCat("CAP_", name);
    if (!plan::CapabilityNumber(name).has_value()) {
      return BadValue(At(field, i), "a capability", names.Get(i));
    }
    list.names.insert(std::move(name));
  }
  return list;
}

void InsertAll(std::set<std::string>& set) {
  for (std::string& name : plan::AllCapabilities()) {
    set.insert(std::move(name));
  }
}

// A seccomp or AppArmor profile as either of CRI's two ways to say it.
struct Profile {
  enum class Kind { kUnset, kDefault, kUnconfined, kLocalhost };
  Kind kind = Kind::kUnset;
  std::string localhost_ref;
};

absl::StatusOr<Profile> ParseProfile(const SecurityProfile& profile,
                                     absl::string_view field) {
  Profile parsed;
  switch (profile.profile_type()) {
    case SecurityProfile::RuntimeDefault:
      parsed.kind = Profile::Kind::kDefault;
      break;
    case SecurityProfile::Unconfined:
      parsed.kind = Profile::Kind::kUnconfined;
      break;
    case SecurityProfile::Localhost:
      parsed.kind = Profile::Kind::kLocalhost;
      parsed.localhost_ref = profile.localhost_ref();
      if (parsed.localhost_ref.empty()) {
        return BadField(absl::StrCat(field, ".localhost_ref"),
                        "is empty, but the profile is of type Localhost");
      }
      return parsed;
    default:
      return BadField(absl::StrCat(field, ".profile_type"),
                      absl::StrCat("unknown type ",
                                   static_cast<int>(profile.profile_type())));
  }
  if (!profile.localhost_ref().empty()) {
    return BadField(absl::StrCat(field, ".localhost_ref"),
                    "is set, but the profile is not of type Localhost");
  }
  return parsed;
}

// The older way: "runtime/default", "unconfined", "localhost/NAME".
absl::StatusOr<Profile> ParseOldProfile(absl::string_view text,
                                        absl::string_view field) {
  Profile parsed;
  if (text.empty()) return parsed;
  if (text == "runtime/default" || text == "docker/default") {
    parsed.kind = Profile::Kind::kDefault;
  } else if (text == "unconfined") {
    parsed.kind = Profile::Kind::kUnconfined;
  } else if (absl::ConsumePrefix(&text, "localhost/")) {
    parsed.kind = Profile::Kind::kLocalhost;
    parsed.localhost_ref = std::string(text);
  } else {
    return BadValue(field,
                    "\"runtime/default\", \"unconfined\" or "
                    "\"localhost/NAME\"",
                    text);
  }
  return parsed;
}

absl::StatusOr<spec::SeccompProfile> SeccompProfileOf(
    const Profile& profile, const HostAbilities& host,
    absl::string_view reference_field) {
  spec::SeccompProfile to;
  switch (profile.kind) {
    case Profile::Kind::kUnset:
      to.set_kind(host.unset_seccomp);
      break;
    case Profile::Kind::kDefault:
      to.set_kind(spec::SeccompProfile::RUNTIME_DEFAULT);
      break;
    case Profile::Kind::kUnconfined:
      to.set_kind(spec::SeccompProfile::UNCONFINED);
      break;
    case Profile::Kind::kLocalhost:
      // The kubelet's own, below its directory of profiles.
      RETURN_IF_ERROR(
          CheckPlainAbsolutePath(reference_field, profile.localhost_ref));
      to.set_kind(spec::SeccompProfile::LOCALHOST);
      to.set_localhost_path(profile.localhost_ref);
      break;
  }
  return to;
}

// The name of the AppArmor profile to run under; empty for none. Where the
// kernel has no AppArmor its default profile is none. A client that says
// nothing gets the default, too, where there is one.
absl::StatusOr<std::string> AppArmorProfile(const Profile& profile,
                                            const HostAbilities& host,
                                            absl::string_view field) {
  const std::string& standard = host.default_apparmor_profile;
  switch (profile.kind) {
    case Profile::Kind::kUnconfined:
      return "";
    case Profile::Kind::kUnset:
      return host.apparmor && host.has_apparmor_profile(standard) ? standard
                                                                  : "";
    case Profile::Kind::kDefault:
      if (!host.apparmor) return "";
      if (host.has_apparmor_profile(standard)) return standard;
      return absl::FailedPreconditionError(
          absl::StrCat(field, ": the kernel has no AppArmor profile \"",
                       standard, "\", which RuntimeDefault means"));
    case Profile::Kind::kLocalhost:
      break;
  }
  if (!host.apparmor) {
    return absl::FailedPreconditionError(
        absl::StrCat(field, ": AppArmor is not enabled on this host"));
  }
  // Clients put the old field's prefix before the new one's name as well.
  const absl::string_view name =
      absl::StripPrefix(profile.localhost_ref, "localhost/");
  RETURN_IF_ERROR(CheckNoNul(field, name));
  if (host.has_apparmor_profile(name)) return std::string(name);
  return absl::FailedPreconditionError(absl::StrCat(
      field, ": the kernel has no AppArmor profile \"", name, "\""));
}

// Old clients fill the superseded fields only.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

template <typename Context>
absl::StatusOr<spec::SeccompProfile> SeccompOf(const Context& context,
                                               const HostAbilities& host,
                                               absl::string_view field) {
  const std::string path = absl::StrCat(field, ".seccomp");
  if (context.has_seccomp()) {
    ASSIGN_OR_RETURN(Profile profile, ParseProfile(context.seccomp(), path));
    return SeccompProfileOf(profile, host,
                            absl::StrCat(path, ".localhost_ref"));
  }
  const std::string old_path = absl::StrCat(field, ".seccomp_profile_path");
  ASSIGN_OR_RETURN(Profile profile,
                   ParseOldProfile(context.seccomp_profile_path(), old_path));
  return SeccompProfileOf(profile, host, old_path);
}

absl::StatusOr<std::string> AppArmorOf(
    const LinuxContainerSecurityContext& context, const HostAbilities& host,
    absl::string_view field) {
  const std::string path = absl::StrCat(field, ".apparmor");
  if (context.has_apparmor()) {
    ASSIGN_OR_RETURN(Profile profile, ParseProfile(context.apparmor(), path));
    return AppArmorProfile(profile, host, path);
  }
  const std::string old_path = absl::StrCat(field, ".apparmor_profile");
  ASSIGN_OR_RETURN(Profile profile,
                   ParseOldProfile(context.apparmor_profile(), old_path));
  return AppArmorProfile(profile, host, old_path);
}

#pragma GCC diagnostic pop

// Of a label; only a level has more parts of its own.
absl::Status CheckLabelPart(absl::string_view field, absl::string_view part,
                            absl::string_view more) {
  for (char c : part) {
    if (absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' ||
        absl::StrContains(more, c)) {
      continue;
    }
    return BadValue(field, "a part of an SELinux label", part);
  }
  return absl::OkStatus();
}

absl::Status SetPaths(const Names& from, absl::string_view field, Names& to) {
  for (int i = 0; i < from.size(); ++i) {
    RETURN_IF_ERROR(CheckAbsolutePath(At(field, i), from.Get(i)));
  }
  to = from;
  return absl::OkStatus();
}

absl::Status CheckGroupsPolicy(runtime::v1::SupplementalGroupsPolicy policy,
                               absl::string_view field) {
  if (runtime::v1::SupplementalGroupsPolicy_IsValid(policy)) {
    return absl::OkStatus();
  }
  return BadField(absl::StrCat(field, ".supplemental_groups_policy"),
                  absl::StrCat("unknown policy ", static_cast<int>(policy)));
}

// A name of the image's passwd file; never "user:group", which is for
// run_as_group to say.
absl::Status CheckUsername(absl::string_view name, absl::string_view field) {
  for (char c : name) {
    if (c == ':' || absl::ascii_iscntrl(c)) {
      return BadValue(field, "a user's name", name);
    }
  }
  return absl::OkStatus();
}

// What pods and containers have in common.
template <typename Context>
absl::Status CheckIds(const Context& context, bool has_user,
                      absl::string_view field) {
  if (context.has_run_as_user()) {
    RETURN_IF_ERROR(CheckId(absl::StrCat(field, ".run_as_user"),
                            context.run_as_user().value()));
  }
  if (context.has_run_as_group()) {
    const std::string path = absl::StrCat(field, ".run_as_group");
    RETURN_IF_ERROR(CheckId(path, context.run_as_group().value()));
    if (!has_user) return BadField(path, "is set, but no user is");
  }
  for (int i = 0; i < context.supplemental_groups_size(); ++i) {
    RETURN_IF_ERROR(
        CheckId(absl::StrCat(field, ".", At("supplemental_groups", i)),
                context.supplemental_groups(i)));
  }
  return CheckGroupsPolicy(context.supplemental_groups_policy(), field);
}

}  // namespace

absl::Status SetCapabilities(const runtime::v1::Capability& capabilities,
                             absl::string_view field, spec::Security& to) {
  ASSIGN_OR_RETURN(CapabilityList add,
                   ParseCapabilities(capabilities.add_capabilities(),
                                     absl::StrCat(field, ".add_capabilities")));
  ASSIGN_OR_RETURN(
      CapabilityList drop,
      ParseCapabilities(capabilities.drop_capabilities(),
                        absl::StrCat(field, ".drop_capabilities")));
  ASSIGN_OR_RETURN(
      CapabilityList ambient,
      ParseCapabilities(capabilities.add_ambient_capabilities(),
                        absl::StrCat(field, ".add_ambient_capabilities")));
  std::set<std::string> have;
  std::set<std::string> have_ambient;
  // 1. ALL, added before dropped.
  for (std::string& name : plan::DefaultCapabilities()) {
    have.insert(std::move(name));
  }
  if (add.all || ambient.all) InsertAll(have);
  if (ambient.all) InsertAll(have_ambient);
  if (drop.all) {
    have.clear();
    have_ambient.clear();
  }
  // 2. What is added by name.
  have.insert(add.names.begin(), add.names.end());
  have.insert(ambient.names.begin(), ambient.names.end());
  have_ambient.insert(ambient.names.begin(), ambient.names.end());
  // 3. What is dropped by name.
  for (const std::string& name : drop.names) {
    have.erase(name);
    have_ambient.erase(name);
  }
  to.mutable_capabilities()->Assign(have.begin(), have.end());
  to.mutable_ambient_capabilities()->Assign(have_ambient.begin(),
                                            have_ambient.end());
  return absl::OkStatus();
}

absl::StatusOr<spec::SelinuxOptions> SelinuxFromCri(
    const runtime::v1::SELinuxOption& options, const HostAbilities& host,
    absl::string_view field) {
  const std::string path = absl::StrCat(field, ".selinux_options");
  RETURN_IF_ERROR(
      CheckLabelPart(absl::StrCat(path, ".user"), options.user(), ""));
  RETURN_IF_ERROR(
      CheckLabelPart(absl::StrCat(path, ".role"), options.role(), ""));
  RETURN_IF_ERROR(
      CheckLabelPart(absl::StrCat(path, ".type"), options.type(), ""));
  RETURN_IF_ERROR(
      CheckLabelPart(absl::StrCat(path, ".level"), options.level(), ":,"));
  spec::SelinuxOptions to;
  to.set_user(options.user());
  to.set_role(options.role());
  to.set_type(options.type());
  to.set_level(options.level());
  if (to.ByteSizeLong() == 0 || host.selinux) return to;
  return absl::FailedPreconditionError(absl::StrCat(
      path,
      ": SELinux is not enabled on this host, or its policy has no "
      "labels for containers"));
}

absl::StatusOr<spec::Security> SecurityFromCri(
    const LinuxContainerSecurityContext& context, const HostAbilities& host,
    absl::string_view field) {
  spec::Security security;
  ASSIGN_OR_RETURN(*security.mutable_selinux_options(),
                   SelinuxFromCri(context.selinux_options(), host, field));
  security.set_no_new_privs(context.no_new_privs());
  RETURN_IF_ERROR(SetPaths(context.masked_paths(),
                           absl::StrCat(field, ".masked_paths"),
                           *security.mutable_masked_paths()));
  RETURN_IF_ERROR(SetPaths(context.readonly_paths(),
                           absl::StrCat(field, ".readonly_paths"),
                           *security.mutable_readonly_paths()));
  spec::Security limited;
  RETURN_IF_ERROR(SetCapabilities(
      context.capabilities(), absl::StrCat(field, ".capabilities"), limited));
  if (context.privileged()) {
    // All capabilities and no profile, whatever else is said.
    security.set_privileged(true);
    return security;
  }
  *security.mutable_capabilities() = limited.capabilities();
  *security.mutable_ambient_capabilities() = limited.ambient_capabilities();
  ASSIGN_OR_RETURN(*security.mutable_seccomp(),
                   SeccompOf(context, host, field));
  ASSIGN_OR_RETURN(*security.mutable_apparmor_profile(),
                   AppArmorOf(context, host, field));
  return security;
}

absl::StatusOr<spec::User> UserFromCri(
    const LinuxContainerSecurityContext& context, absl::string_view field) {
  const bool has_user =
      context.has_run_as_user() || !context.run_as_username().empty();
  RETURN_IF_ERROR(CheckIds(context, has_user, field));
  RETURN_IF_ERROR(CheckUsername(context.run_as_username(),
                                absl::StrCat(field, ".run_as_username")));
  spec::User user;
  if (context.has_run_as_user()) {
    user.set_user(absl::StrCat(context.run_as_user().value()));
  } else {
    user.set_user(context.run_as_username());
  }
  if (context.has_run_as_group()) {
    user.set_gid(context.run_as_group().value());
  }
  *user.mutable_supplemental_gids() = context.supplemental_groups();
  user.set_strict_groups(context.supplemental_groups_policy() ==
                         runtime::v1::Strict);
  return user;
}

absl::Status CheckPodSecurity(const LinuxSandboxSecurityContext& context,
                              const HostAbilities& host,
                              absl::string_view field) {
  RETURN_IF_ERROR(CheckIds(context, context.has_run_as_user(), field));
  RETURN_IF_ERROR(SeccompOf(context, host, field));
  const std::string path = absl::StrCat(field, ".apparmor");
  if (!context.has_apparmor()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Profile profile, ParseProfile(context.apparmor(), path));
  return AppArmorProfile(profile, host, path).status();
}

}  // namespace gantry::cri
