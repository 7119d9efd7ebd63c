#include "runtime/plan/seccomp_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/json/json.h"
#include "runtime/plan/capabilities.h"
#include "runtime/sys/file.h"

namespace gantry::plan {
namespace {

using json::Value;

// The kernel cuts an action's data to this (linux/err.h).
constexpr uint64_t kMaxErrno = 4095;
constexpr uint64_t kMaxArgIndex = 5;

// As Docker's profiles spell this machine (Go's names).
#if defined(__x86_64__)
constexpr absl::string_view kMachine = "amd64";
#elif defined(__aarch64__)
constexpr absl::string_view kMachine = "arm64";
#else
#error "which name has this architecture in Docker's profiles?"
#endif

absl::StatusOr<uint64_t> Unsigned(const Value& value) {
  // Int() ends at 2^63, masks do not.
  const std::string text = value.Dump();
  uint64_t number = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return value.Error("expected an unsigned integer of 64 bits");
}

// Absent: nothing.
absl::StatusOr<std::optional<uint64_t>> UnsignedField(const Value& object,
                                                      absl::string_view key,
                                                      uint64_t most) {
  std::optional<Value> field = object.Find(key);
  if (!field.has_value()) return std::optional<uint64_t>();
  ASSIGN_OR_RETURN(uint64_t number, Unsigned(*field));
  if (number > most) {
    return field->Error(absl::StrCat(number, " is more than ", most));
  }
  return std::optional<uint64_t>(number);
}

// SCMP_ACT_*, with the number that ERRNO and TRACE carry.
absl::StatusOr<SeccompAction> ActionOf(const std::string& name,
                                       std::optional<uint64_t> number,
                                       const Value& place) {
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(number.value_or(EPERM));
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(number.value_or(EPERM));
  static constexpr std::pair<absl::string_view, SeccompAction> kActions[] = {
      {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
      {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
      {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
      {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
      {"SCMP_ACT_LOG", SCMP_ACT_LOG},
  };
  for (const auto& [known, action] : kActions) {
    if (name != known) continue;
    if (!number.has_value()) return action;
    return place.Error(absl::StrCat(name, " carries no errno"));
  }
  if (name == "SCMP_ACT_NOTIFY") {
    return place.Error("SCMP_ACT_NOTIFY needs a seccomp agent: not supported");
  }
  return place.Error(absl::StrCat("unknown action \"", name, "\""));
}

// `name_key`: the action by name; `number_key`: its errno. Podman's profiles
// say the latter by name, too.
absl::StatusOr<SeccompAction> ActionField(const Value& object,
                                          absl::string_view name_key,
                                          absl::string_view number_key,
                                          absl::string_view number_name_key) {
  std::optional<Value> place = object.Find(name_key);
  if (!place.has_value()) {
    return object.Error(absl::StrCat("has no ", name_key));
  }
  ASSIGN_OR_RETURN(std::string name, place->String());
  ASSIGN_OR_RETURN(std::optional<uint64_t> number,
                   UnsignedField(object, number_key, kMaxErrno));
  std::optional<Value> by_name = object.Find(number_name_key);
  if (by_name.has_value() && !number.has_value()) {
    return by_name->Error(absl::StrCat("needs ", number_key, " beside it"));
  }
  return ActionOf(name, number, *place);
}

absl::StatusOr<uint32_t> ArchitectureOf(const Value& value) {
  ASSIGN_OR_RETURN(std::string name, value.String());
  absl::string_view rest = name;
  uint32_t arch = 0;
  if (absl::ConsumePrefix(&rest, "SCMP_ARCH_")) {
    arch = seccomp_arch_resolve_name(absl::AsciiStrToLower(rest).c_str());
  }
  if (arch != 0) return arch;
  return value.Error(absl::StrCat("unknown architecture \"", name, "\""));
}

absl::Status AddArchitectures(const Value& list,
                              std::vector<uint32_t>& architectures) {
  ASSIGN_OR_RETURN(std::vector<Value> values, list.Array());
  for (const Value& value : values) {
    ASSIGN_OR_RETURN(uint32_t arch, ArchitectureOf(value));
    architectures.push_back(arch);
  }
  return absl::OkStatus();
}

// "architectures", or of "archMap" what belongs to this machine.
absl::Status SetArchitectures(const Value& root, SeccompProfile& profile) {
  std::optional<Value> list = root.Find("architectures");
  ASSIGN_OR_RETURN(std::vector<Value> map, root.ArrayField("archMap"));
  if (list.has_value()) {
    RETURN_IF_ERROR(AddArchitectures(*list, profile.architectures));
    if (!map.empty() && !profile.architectures.empty()) {
      return list->Error("stands beside archMap; one of the two is meant");
    }
  }
  for (const Value& entry : map) {
    std::optional<Value> name = entry.Find("architecture");
    if (!name.has_value()) return entry.Error("has no architecture");
    ASSIGN_OR_RETURN(uint32_t arch, ArchitectureOf(*name));
    if (arch != seccomp_arch_native()) continue;
    profile.architectures.push_back(arch);
    std::optional<Value> more = entry.Find("subArchitectures");
    if (!more.has_value()) continue;
    RETURN_IF_ERROR(AddArchitectures(*more, profile.architectures));
  }
  return absl::OkStatus();
}

absl::Status SetFlags(const Value& root, SeccompProfile& profile) {
  ASSIGN_OR_RETURN(std::vector<Value> flags, root.ArrayField("flags"));
  for (const Value& value : flags) {
    ASSIGN_OR_RETURN(std::string flag, value.String());
    if (flag == "SECCOMP_FILTER_FLAG_LOG") {
      profile.flags |= SECCOMP_FILTER_FLAG_LOG;
    } else if (flag == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") {
      profile.flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    } else if (flag != "SECCOMP_FILTER_FLAG_TSYNC") {
      // TSYNC is about the other threads of a process that has none.
      return value.Error(absl::StrCat("unknown flag \"", flag, "\""));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SeccompArg> ArgOf(const Value& value) {
  using Compare = SeccompArg::Compare;
  static constexpr std::pair<absl::string_view, Compare> kCompares[] = {
      {"SCMP_CMP_NE", Compare::kNe},
      {"SCMP_CMP_LT", Compare::kLt},
      {"SCMP_CMP_LE", Compare::kLe},
      {"SCMP_CMP_EQ", Compare::kEq},
      {"SCMP_CMP_GE", Compare::kGe},
      {"SCMP_CMP_GT", Compare::kGt},
      {"SCMP_CMP_MASKED_EQ", Compare::kMaskedEq}};
  SeccompArg arg;
  ASSIGN_OR_RETURN(std::optional<uint64_t> index,
                   UnsignedField(value, "index", kMaxArgIndex));
  arg.index = static_cast<uint32_t>(index.value_or(0));
  ASSIGN_OR_RETURN(std::optional<uint64_t> first,
                   UnsignedField(value, "value", UINT64_MAX));
  ASSIGN_OR_RETURN(std::optional<uint64_t> second,
                   UnsignedField(value, "valueTwo", UINT64_MAX));
  arg.value = first.value_or(0);
  arg.expected = second.value_or(0);
  ASSIGN_OR_RETURN(std::string name, value.StringField("op"));
  for (const auto& [known, compare] : kCompares) {
    if (name != known) continue;
    arg.compare = compare;
    return arg;
  }
  return value.Error(absl::StrCat("unknown op \"", name, "\""));
}

absl::StatusOr<std::vector<std::string>> NamesOf(const Value& rule) {
  ASSIGN_OR_RETURN(std::vector<std::string> names,
                   rule.StringListField("names"));
  ASSIGN_OR_RETURN(std::string name, rule.StringField("name"));
  if (name.empty()) return names;
  if (!names.empty()) return rule.Error("has both name and names");
  names.push_back(std::move(name));
  return names;
}

// "4.8"; what comes behind does not count.
absl::StatusOr<KernelVersion> VersionField(const Value& filter) {
  ASSIGN_OR_RETURN(std::string text, filter.StringField("minKernel"));
  if (text.empty()) return KernelVersion();
  std::optional<KernelVersion> version = ParseKernelVersion(text);
  if (version.has_value()) return *version;
  return filter.Error(
      absl::StrCat("minKernel: \"", text, "\" is no kernel version"));
}

struct Filter {
  std::vector<int> capabilities;
  bool has_machines = false;
  bool has_this_machine = false;
  KernelVersion kernel;  // 0.0: not said
};

absl::StatusOr<Filter> FilterOf(const Value& value) {
  Filter filter;
  ASSIGN_OR_RETURN(std::vector<std::string> names,
                   value.StringListField("caps"));
  for (const std::string& name : names) {
    std::optional<int> number = CapabilityNumber(name);
    if (!number.has_value()) {
      return value.Error(
          absl::StrCat("caps: unknown capability \"", name, "\""));
    }
    filter.capabilities.push_back(*number);
  }
  ASSIGN_OR_RETURN(std::vector<std::string> machines,
                   value.StringListField("arches"));
  filter.has_machines = !machines.empty();
  filter.has_this_machine =
      std::find(machines.begin(), machines.end(), kMachine) != machines.end();
  ASSIGN_OR_RETURN(filter.kernel, VersionField(value));
  return filter;
}

// Whether the rule holds here: all that "includes" names, nothing that
// "excludes" names.
absl::StatusOr<bool> Applies(const Value& rule,
                             const SeccompConditions& conditions) {
  auto held = [&conditions](int number) {
    return (conditions.capabilities >> number & 1) != 0;
  };
  if (std::optional<Value> includes = rule.Find("includes")) {
    ASSIGN_OR_RETURN(Filter filter, FilterOf(*includes));
    if (!std::all_of(filter.capabilities.begin(), filter.capabilities.end(),
                     held) ||
        (filter.has_machines && !filter.has_this_machine) ||
        conditions.kernel < filter.kernel) {
      return false;
    }
  }
  if (std::optional<Value> excludes = rule.Find("excludes")) {
    ASSIGN_OR_RETURN(Filter filter, FilterOf(*excludes));
    if (std::any_of(filter.capabilities.begin(), filter.capabilities.end(),
                    held) ||
        filter.has_this_machine ||
        (filter.kernel != KernelVersion() &&
         !(conditions.kernel < filter.kernel))) {
      return false;
    }
  }
  return true;
}

// libseccomp takes one condition per argument; several on the same one are
// alternatives, as the runtime-spec's implementations have it.
void AddAlternatives(SeccompRule rule, SeccompProfile& profile) {
  std::vector<int> used(kMaxArgIndex + 1, 0);
  bool repeated = false;
  for (const SeccompArg& arg : rule.args) repeated |= ++used[arg.index] > 1;
  if (!repeated) {
    profile.rules.push_back(std::move(rule));
    return;
  }
  for (const SeccompArg& arg : rule.args) {
    profile.rules.push_back({rule.names, rule.action, {arg}});
  }
}

absl::Status AddRule(const Value& value, const SeccompConditions& conditions,
                     SeccompProfile& profile) {
  SeccompRule rule;
  ASSIGN_OR_RETURN(rule.names, NamesOf(value));
  if (rule.names.empty()) return value.Error("names no system call");
  ASSIGN_OR_RETURN(rule.action,
                   ActionField(value, "action", "errnoRet", "errno"));
  ASSIGN_OR_RETURN(std::vector<Value> args, value.ArrayField("args"));
  for (const Value& arg : args) {
    ASSIGN_OR_RETURN(SeccompArg parsed, ArgOf(arg));
    rule.args.push_back(parsed);
  }
  ASSIGN_OR_RETURN(bool applies, Applies(value, conditions));
  if (applies) AddAlternatives(std::move(rule), profile);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SeccompProfile> ParseSeccompProfile(
    absl::string_view text, absl::string_view what,
    const SeccompConditions& conditions) {
  ASSIGN_OR_RETURN(Value root,
                   Value::Parse(text, what, {.max_bytes = kMaxSeccompFile}));
  if (!root.IsObject()) return root.Error("expected an object");
  for (absl::string_view agent : {"listenerPath", "listenerMetadata"}) {
    if (std::optional<Value> field = root.Find(agent)) {
      return field->Error("seccomp agents are not supported");
    }
  }
  SeccompProfile profile;
  ASSIGN_OR_RETURN(
      profile.default_action,
      ActionField(root, "defaultAction", "defaultErrnoRet", "defaultErrno"));
  RETURN_IF_ERROR(SetArchitectures(root, profile));
  RETURN_IF_ERROR(SetFlags(root, profile));
  ASSIGN_OR_RETURN(std::vector<Value> rules, root.ArrayField("syscalls"));
  for (const Value& rule : rules) {
    RETURN_IF_ERROR(AddRule(rule, conditions, profile));
  }
  return profile;
}

absl::StatusOr<SeccompProfile> ReadSeccompProfile(
    const std::string& path, const SeccompConditions& conditions) {
  const std::string what = absl::StrCat("seccomp profile ", path);
  absl::StatusOr<UniqueFd> file =
      sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (absl::IsNotFound(file.status())) {
    // NOT_FOUND would read as if the pod or the image were missing.
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": there is no such file"));
  }
  if (!file.ok()) return Annotate(file.status(), what);
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(file->get()));
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": not a regular file"));
  }
  ASSIGN_OR_RETURN(std::string text, sys::ReadFd(file->get(), kMaxSeccompFile),
                   what);
  return ParseSeccompProfile(text, what, conditions);
}

}  // namespace gantry::plan
