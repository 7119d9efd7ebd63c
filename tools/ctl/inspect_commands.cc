// gantryctl inspect, history: all there is to know about one object.

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/info_json.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

absl::Status InspectContainer(Context& context, Client& client,
                              const std::string& id) {
  v1::ContainerStatusRequest request;
  request.set_container_id(id);
  request.set_verbose(true);
  ASSIGN_OR_RETURN(v1::ContainerStatusResponse status, client.Call(request));
  return PrintWithInfo(context, std::move(status));
}

absl::Status InspectPod(Context& context, Client& client,
                        const std::string& id) {
  v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  request.set_verbose(true);
  ASSIGN_OR_RETURN(v1::PodSandboxStatusResponse status, client.Call(request));
  return PrintWithInfo(context, std::move(status));
}

// A container, else a pod, else an image.
absl::Status Inspect(Context& context, Client& client,
                     const std::string& word) {
  const absl::StatusOr<v1::Container> container = FindContainer(client, word);
  if (container.ok()) {
    return InspectContainer(context, client, container->id());
  }
  if (!absl::IsNotFound(container.status())) return container.status();
  const absl::StatusOr<v1::PodSandbox> pod = FindPod(client, word);
  if (pod.ok()) return InspectPod(context, client, pod->id());
  if (!absl::IsNotFound(pod.status())) return pod.status();
  absl::StatusOr<v1::ImageStatusResponse> image =
      FindImage(client, word, /*verbose=*/true);
  if (image.ok()) return PrintWithInfo(context, *std::move(image));
  if (!absl::IsNotFound(image.status())) return image.status();
  return WithHint(absl::NotFoundError(absl::StrCat(
                      "no container, pod or image \"", word, "\"")),
                  "see what there is with: gantryctl ps -a, pods, images");
}

// The image's history in its verbose info: below "history" of some entry, or
// the entry of that name.
absl::StatusOr<std::vector<json::Value>> HistoryOf(const Info& info) {
  for (const auto& [key, text] : info) {
    const absl::StatusOr<json::Value> value = json::Value::Parse(text, key);
    if (!value.ok()) continue;
    if (key == "history") return value->Array();
    const std::optional<json::Value> history = value->Find("history");
    if (history.has_value()) return history->Array();
  }
  return absl::UnimplementedError("the server does not tell images' history");
}

absl::Status History(Context& context, Client& client,
                     const std::string& word) {
  ASSIGN_OR_RETURN(v1::ImageStatusResponse image,
                   FindImage(client, word, /*verbose=*/true));
  ASSIGN_OR_RETURN(std::vector<json::Value> steps, HistoryOf(image.info()));
  if (context.json) {
    std::string list;
    for (const json::Value& step : steps) {
      absl::StrAppend(&list, list.empty() ? "" : ",", step.Dump());
    }
    context.out << PrettyJson(absl::StrCat("[", list, "]")) << '\n';
    return absl::OkStatus();
  }
  Table table({"CREATED", "LAYER", "CREATED BY", "COMMENT"});
  // Newest first.
  for (size_t i = steps.size(); i-- > 0;) {
    ASSIGN_OR_RETURN(std::string created, steps[i].StringField("created"));
    ASSIGN_OR_RETURN(bool empty, steps[i].BoolField("empty_layer"));
    ASSIGN_OR_RETURN(std::string by, steps[i].StringField("created_by"));
    ASSIGN_OR_RETURN(std::string comment, steps[i].StringField("comment"));
    if (by.size() > 60) by = absl::StrCat(by.substr(0, 57), "...");
    table.Add(
        {created.empty() ? "-" : created, empty ? "no" : "yes", by, comment});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

}  // namespace

void AddInspectCommands(CLI::App& app, Context& context) {
  const auto word = std::make_shared<std::string>();
  CLI::App* inspect = app.add_subcommand(
      "inspect", "Show all about a container, pod or image as JSON");
  inspect->add_option("NAME", *word, "Name, id or beginning of an id")
      ->required();
  inspect->callback([&context, word] {
    RunWithClient(context,
                  [&](Client& c) { return Inspect(context, c, *word); });
  });
  CLI::App* history =
      app.add_subcommand("history", "Show how an image was made");
  history->add_option("IMAGE", *word, "Name or id")->required();
  history->callback([&context, word] {
    RunWithClient(context,
                  [&](Client& c) { return History(context, c, *word); });
  });
}

}  // namespace gantry::ctl
