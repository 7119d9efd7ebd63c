#include "runtime/net/cni/chain.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/net/cni/invoke.h"
#include "runtime/sys/memfd.h"

namespace gantry::net::cni {
namespace {

// Members of a plugin's configuration that are the runtime's to write.
bool IsOurs(absl::string_view key) {
  return key == "name" || key == "cniVersion" || key == "prevResult" ||
         key == "capabilities" || absl::StartsWith(key, "cni.dev/");
}

std::string RuntimeConfigOf(const PluginConfig& plugin,
                            const Attachment* attachment) {
  std::vector<std::string> members;
  if (attachment != nullptr) {
    for (const auto& [name, value] : attachment->capabilities) {
      if (!plugin.capabilities.contains(name)) continue;
      members.push_back(absl::StrCat(json::Quote(name), ":", value));
    }
  }
  if (members.empty()) return "";
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

absl::StatusCode CodeOf(const PluginError& error) {
  switch (error.code) {
    case kTryAgainLater:
    case kNotAvailable:
    case kLimitedConnectivity:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kFailedPrecondition;
  }
}

// Of a plugin that did not end well.
absl::Status Failure(const Outcome& outcome) {
  if (outcome.signal != 0) {
    return absl::InternalError(
        absl::StrCat("was killed by signal ", outcome.signal));
  }
  if (std::optional<PluginError> error = ParsePluginError(outcome.output)) {
    return absl::Status(
        CodeOf(*error),
        absl::StrCat("failed with code ", error->code, ": ", error->message));
  }
  // Some say it in their own way.
  const std::string& said =
      outcome.error_output.empty() ? outcome.output : outcome.error_output;
  return absl::InternalError(absl::StrCat(
      "ended with status ", outcome.exit_code,
      said.empty() ? " and said nothing" : ": ", Printable(said, 512)));
}

}  // namespace

struct Chain::Call {
  absl::string_view command;
  const NetworkConfig& config;
  const PluginConfig& plugin;
  const Attachment* attachment;  // may be null
  std::string request;
  int64_t deadline;
  std::function<void()> meanwhile = {};
};

std::string RequestConfig(const NetworkConfig& config,
                          const PluginConfig& plugin,
                          const Attachment* attachment,
                          absl::string_view result, absl::string_view more) {
  std::string text =
      absl::StrCat("{\"cniVersion\":", json::Quote(config.version.ToString()),
                   ",\"name\":", json::Quote(config.name));
  const std::string runtime_config = RuntimeConfigOf(plugin, attachment);
  // An object, as it was parsed.
  const auto members = plugin.json.Members();
  for (const auto& [key, value] : *members) {
    if (IsOurs(key)) continue;
    if (key == "runtimeConfig" && !runtime_config.empty()) continue;
    absl::StrAppend(&text, ",", json::Quote(key), ":", value.Dump());
  }
  if (!runtime_config.empty()) {
    absl::StrAppend(&text, ",\"runtimeConfig\":", runtime_config);
  }
  if (!result.empty()) absl::StrAppend(&text, ",\"prevResult\":", result);
  if (!more.empty()) absl::StrAppend(&text, ",", more);
  return text + "}";
}

absl::StatusOr<std::string> Chain::Run(const Call& call) const {
  const std::string what =
      absl::StrCat("CNI plugin ", call.plugin.type, " (", call.command,
                   ", network ", call.config.name, ")");
  ASSIGN_OR_RETURN(std::string program,
                   FindPlugin(call.plugin.type, settings_.directories), what);
  Invocation invocation;
  invocation.program = std::move(program);
  invocation.env = {
      absl::StrCat("CNI_COMMAND=", call.command),
      absl::StrCat("CNI_PATH=", absl::StrJoin(settings_.directories, ":")),
      absl::StrCat("PATH=", settings_.path)};
  UniqueFd input;
  if (call.attachment != nullptr) {
    const Attachment& attachment = *call.attachment;
    invocation.env.push_back(
        absl::StrCat("CNI_CONTAINERID=", attachment.pod_id));
    invocation.env.push_back(absl::StrCat("CNI_NETNS=", attachment.netns_path));
    invocation.env.push_back(absl::StrCat("CNI_IFNAME=", attachment.interface));
    invocation.env.push_back(absl::StrCat("CNI_ARGS=", attachment.args));
    ASSIGN_OR_RETURN(input, inputs_.Make(attachment.pod_id, call.request),
                     what);
  } else {
    ASSIGN_OR_RETURN(input, sys::SealedMemfd("cni", call.request), what);
  }
  invocation.stdin_fd = input.get();
  invocation.deadline = call.deadline;
  invocation.meanwhile = call.meanwhile;
  absl::StatusOr<Outcome> outcome = Invoke(invocation);
  RETURN_IF_ERROR(outcome) << what;
  if (outcome->exit_code == 0 && outcome->signal == 0) {
    return std::move(outcome->output);
  }
  return Annotate(Failure(*outcome), what);
}

absl::StatusOr<Result> Chain::Add(const NetworkConfig& config,
                                  const Attachment& attachment,
                                  int64_t deadline, Progress& progress,
                                  const AddSteps& steps) const {
  Result result;
  absl::Status done_meanwhile;
  for (const PluginConfig& plugin : config.plugins) {
    std::function<void()> meanwhile;
    if (progress.begun == 0) {
      meanwhile = [&] { done_meanwhile = steps.meanwhile(); };
    } else {
      RETURN_IF_ERROR(done_meanwhile);
      RETURN_IF_ERROR(steps.keep(progress.result));
    }
    ++progress.begun;
    absl::StatusOr<std::string> output =
        Run({"ADD", config, plugin, &attachment,
             RequestConfig(config, plugin, &attachment, progress.result),
             deadline, std::move(meanwhile)});
    if (absl::IsNotFound(output.status())) {
      return absl::FailedPreconditionError(output.status().message());
    }
    RETURN_IF_ERROR(output);
    absl::StatusOr<Result> parsed =
        ParseResult(*output, config.version, attachment.interface, "result");
    if (!parsed.ok()) {
      return absl::InternalError(absl::StrCat(
          "CNI plugin ", plugin.type, " (ADD, network ", config.name,
          ") answered what is no result: ", parsed.status().message()));
    }
    result = *std::move(parsed);
    progress.result = result.json;
  }
  RETURN_IF_ERROR(done_meanwhile);
  if (result.ips.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the plugins of CNI network ", config.name, " gave ",
                     attachment.interface, " no address"));
  }
  return result;
}

Deletion Chain::Del(const NetworkConfig& config, const Attachment& attachment,
                    const std::string& result, size_t count, OnError on_error,
                    int64_t deadline) const {
  Deletion deletion;
  const absl::string_view told =
      config.version < kVersion040 ? absl::string_view() : result;
  for (size_t i = std::min(count, config.plugins.size()); i-- > 0;) {
    const PluginConfig& plugin = config.plugins[i];
    absl::StatusOr<std::string> output =
        Run({"DEL", config, plugin, &attachment,
             RequestConfig(config, plugin, &attachment, told), deadline});
    if (absl::IsNotFound(output.status())) {
      deletion.missing.push_back(plugin.type);
      continue;
    }
    if (output.ok()) continue;
    if (deletion.status.ok()) deletion.status = output.status();
    if (on_error == OnError::kStop) break;
  }
  return deletion;
}

absl::Status Chain::Check(const NetworkConfig& config,
                          const Attachment& attachment,
                          const std::string& result, int64_t deadline) const {
  if (config.disable_check || config.version < kVersion040) {
    return absl::OkStatus();
  }
  for (const PluginConfig& plugin : config.plugins) {
    RETURN_IF_ERROR(
        Run({"CHECK", config, plugin, &attachment,
             RequestConfig(config, plugin, &attachment, result), deadline}));
  }
  return absl::OkStatus();
}

std::vector<absl::Status> Chain::Gc(
    const NetworkConfig& config,
    const std::vector<std::pair<std::string, std::string>>& valid,
    int64_t deadline) const {
  std::vector<absl::Status> errors;
  if (config.disable_gc || config.version < kVersion110) return errors;
  const std::string list =
      absl::StrJoin(valid, ",", [](std::string* out, const auto& attachment) {
        absl::StrAppend(out, "{\"containerID\":", json::Quote(attachment.first),
                        ",\"ifname\":", json::Quote(attachment.second), "}");
      });
  // Earlier plugins know it by the name that the specification had wrong.
  const std::string more =
      absl::StrCat("\"cni.dev/valid-attachments\":[", list,
                   "],\"cni.dev/attachments\":[", list, "]");
  for (const PluginConfig& plugin : config.plugins) {
    absl::StatusOr<std::string> output =
        Run({"GC", config, plugin, nullptr,
             RequestConfig(config, plugin, nullptr, "", more), deadline});
    if (!output.ok()) errors.push_back(output.status());
  }
  return errors;
}

absl::Status Chain::CheckPresence(const NetworkConfig& config) const {
  for (const PluginConfig& plugin : config.plugins) {
    RETURN_IF_ERROR(FindPlugin(plugin.type, settings_.directories))
        << "CNI network " << config.name;
  }
  return absl::OkStatus();
}

absl::Status Chain::GetStatus(const NetworkConfig& config,
                              int64_t deadline) const {
  RETURN_IF_ERROR(CheckPresence(config));
  if (config.version < kVersion110) return absl::OkStatus();
  for (const PluginConfig& plugin : config.plugins) {
    RETURN_IF_ERROR(
        Run({"STATUS", config, plugin, nullptr,
             RequestConfig(config, plugin, nullptr, ""), deadline}));
  }
  return absl::OkStatus();
}

}  // namespace gantry::net::cni
