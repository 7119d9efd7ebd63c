#include "shim/pin/pin_args.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "shim/donation.h"

namespace gantry::shim {
namespace {

constexpr absl::string_view kAhead = "--ahead";
constexpr absl::string_view kNet = "--net";
constexpr absl::string_view kIpc = "--ipc";
constexpr absl::string_view kUts = "--uts";
constexpr absl::string_view kUids = "--uids=";
constexpr absl::string_view kGids = "--gids=";
constexpr absl::string_view kHostname = "--hostname=";
constexpr absl::string_view kShmSize = "--shm-size=";
constexpr absl::string_view kShmContext = "--shm-context=";
constexpr absl::string_view kSysctl = "--sysctl=";

bool IsPath(absl::string_view key) {
  for (absl::string_view part : absl::StrSplit(key, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

// Sysctls that live in a namespace (sysctl(7), ipc_namespaces(7)).
bool IsOfMadeNamespace(absl::string_view key, const PinRequest& request) {
  if (request.net && absl::StartsWith(key, "net/")) return true;
  if (!request.ipc) return false;
  return key == "kernel/sem" || absl::StartsWith(key, "kernel/shm") ||
         absl::StartsWith(key, "kernel/msg") ||
         absl::StartsWith(key, "fs/mqueue/");
}

absl::Status Check(const PinRequest& request) {
  if (!request.hostname.empty() && !request.uts) {
    return absl::InvalidArgumentError(
        "a host name without a UTS namespace would be the host's");
  }
  if (request.ahead &&
      (request.user.has_value() || !request.uts || !request.hostname.empty())) {
    return absl::InvalidArgumentError(
        "what is made ahead has a UTS namespace, but neither a user namespace "
        "nor a host name");
  }
  if (request.user.has_value() &&
      (request.user->uids.length == 0 || request.user->gids.length == 0)) {
    return absl::InvalidArgumentError(
        "a user namespace needs both user and group ids");
  }
  for (const auto& [key, value] : request.sysctls) {
    if (!IsPath(key) || !IsOfMadeNamespace(key, request)) {
      return absl::InvalidArgumentError(
          absl::StrCat("sysctl ", key, " is not of a namespace being made"));
    }
  }
  return absl::OkStatus();
}

std::string RangeText(const IdRange& range) {
  return absl::StrCat(range.inside, ":", range.outside, ":", range.length);
}

// "INSIDE:OUTSIDE:LENGTH"
bool ParseRange(absl::string_view text, IdRange& range) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  return parts.size() == 3 && absl::SimpleAtoi(parts[0], &range.inside) &&
         absl::SimpleAtoi(parts[1], &range.outside) &&
         absl::SimpleAtoi(parts[2], &range.length) && range.length > 0;
}

// Makes `request.user` if it is not there.
UserNamespace& UserOf(PinRequest& request) {
  if (!request.user.has_value()) request.user.emplace();
  return *request.user;
}

absl::Status Bad(absl::string_view argument) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad argument \"", argument, "\""));
}

}  // namespace

std::vector<std::string> PinArguments(const PinRequest& request) {
  std::vector<std::string> argv = {"gantry-shim", kPinMode};
  if (request.ahead) argv.emplace_back(kAhead);
  if (request.net) argv.emplace_back(kNet);
  if (request.ipc) argv.emplace_back(kIpc);
  if (request.uts) argv.emplace_back(kUts);
  if (request.user.has_value()) {
    argv.push_back(absl::StrCat(kUids, RangeText(request.user->uids)));
    argv.push_back(absl::StrCat(kGids, RangeText(request.user->gids)));
  }
  if (!request.hostname.empty()) {
    argv.push_back(absl::StrCat(kHostname, request.hostname));
  }
  if (request.shm_size != 0) {
    argv.push_back(absl::StrCat(kShmSize, request.shm_size));
  }
  if (!request.shm_context.empty()) {
    argv.push_back(absl::StrCat(kShmContext, request.shm_context));
  }
  for (const auto& [key, value] : request.sysctls) {
    argv.push_back(absl::StrCat(kSysctl, key, "=", value));
  }
  return argv;
}

absl::StatusOr<PinRequest> ParsePinArguments(
    const std::vector<std::string>& arguments) {
  PinRequest request;
  for (const std::string& argument : arguments) {
    absl::string_view value = argument;
    if (argument == kAhead) {
      request.ahead = true;
    } else if (argument == kNet) {
      request.net = true;
    } else if (argument == kIpc) {
      request.ipc = true;
    } else if (argument == kUts) {
      request.uts = true;
    } else if (absl::ConsumePrefix(&value, kUids)) {
      if (!ParseRange(value, UserOf(request).uids)) return Bad(argument);
    } else if (absl::ConsumePrefix(&value, kGids)) {
      if (!ParseRange(value, UserOf(request).gids)) return Bad(argument);
    } else if (absl::ConsumePrefix(&value, kHostname)) {
      request.hostname = std::string(value);
    } else if (absl::ConsumePrefix(&value, kShmSize)) {
      if (!absl::SimpleAtoi(value, &request.shm_size)) return Bad(argument);
    } else if (absl::ConsumePrefix(&value, kShmContext)) {
      request.shm_context = std::string(value);
    } else if (absl::ConsumePrefix(&value, kSysctl)) {
      const size_t equals = value.find('=');
      if (equals == absl::string_view::npos) return Bad(argument);
      request.sysctls.emplace_back(std::string(value.substr(0, equals)),
                                   std::string(value.substr(equals + 1)));
    } else {
      return Bad(argument);
    }
  }
  const absl::Status status = Check(request);
  if (!status.ok()) return status;
  return request;
}

}  // namespace gantry::shim
