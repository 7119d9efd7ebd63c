#include "runtime/plan/sysctls.h"

#include <string.h>

#include <algorithm>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace gantry::plan {
namespace {

// A key is written with dots; where its first separator is a slash, slashes
// separate and a dot belongs to the name ("net/ipv4/conf/eth0.1/forwarding"),
// see sysctl(8).
absl::Status KeyToPath(absl::string_view key, std::string& path) {
  path = std::string(key);
  size_t separator = path.find_first_of("./");
  if (separator != std::string::npos && path[separator] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    bool good = !part.empty() && part != "." && part != "..";
    for (char c : part) {
      good = good && (absl::ascii_isalnum(c) || c == '_' || c == '-' ||
                      c == '.' || c == '@' || c == ':');
    }
    if (!good) {
      return absl::InvalidArgumentError(
          absl::StrCat("sysctls: \"", absl::CEscape(key), "\" is no key"));
    }
  }
  return absl::OkStatus();
}

// The namespace that owns a parameter (namespaces(7), ipc_namespaces(7)).
absl::StatusOr<NamespacePlan::Source> OwnerOf(absl::string_view path,
                                              const NamespacePlan& plan) {
  if (absl::StartsWith(path, "net/")) return plan.network();
  if (absl::StartsWith(path, "fs/mqueue/")) return plan.ipc();
  static constexpr absl::string_view kIpc[] = {
      "kernel/msgmax", "kernel/msgmnb",         "kernel/msgmni",
      "kernel/sem",    "kernel/shmall",         "kernel/shmmax",
      "kernel/shmmni", "kernel/shm_rmid_forced"};
  if (std::find(std::begin(kIpc), std::end(kIpc), path) != std::end(kIpc)) {
    return plan.ipc();
  }
  return absl::InvalidArgumentError("it belongs to the whole host");
}

// What numbers, lists, ranges, names and addresses are written with. Nothing
// else has a place in a parameter of a namespace, and '+', '=', '|' or a line's
// end have been a way out of it in other runtimes (CVE-2022-0811).
absl::Status CheckValue(absl::string_view key, absl::string_view value) {
  for (char c : value) {
    if (absl::ascii_isalnum(c) || (c != '\0' && strchr(" \t-_.,:/", c))) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "sysctls: ", key, ": value \"", absl::CEscape(value.substr(0, 128)),
        "\" has a character that values do not have"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PlanSysctls(const spec::ContainerSpec& spec,
                         const NamespacePlan& namespaces, InitPlan& init) {
  for (const auto& [key, value] : spec.sysctls()) {
    std::string path;
    RETURN_IF_ERROR(KeyToPath(key, path));
    ASSIGN_OR_RETURN(NamespacePlan::Source source, OwnerOf(path, namespaces),
                     absl::StrCat("sysctls: ", key));
    if (source == NamespacePlan::HOST) {
      return absl::InvalidArgumentError(absl::StrCat(
          "sysctls: ", key, ": the container shares this with the host"));
    }
    RETURN_IF_ERROR(CheckValue(key, value));
    if (!init.mutable_sysctls()->insert({path, value}).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("sysctls: ", key, " is given in both its spellings"));
    }
  }
  return absl::OkStatus();
}

}  // namespace gantry::plan
