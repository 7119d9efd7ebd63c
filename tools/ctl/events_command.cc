// gantryctl events: what happens to pods and containers, as it happens.

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"

namespace gantry::ctl {
namespace {

std::string KindName(v1::ContainerEventType type) {
  switch (type) {
    case v1::CONTAINER_CREATED_EVENT:
      return "created";
    case v1::CONTAINER_STARTED_EVENT:
      return "started";
    case v1::CONTAINER_STOPPED_EVENT:
      return "stopped";
    case v1::CONTAINER_DELETED_EVENT:
      return "deleted";
    default:
      return absl::StrCat("event ", type);
  }
}

// Name, and for a container that ended how it did.
std::string Details(const v1::ContainerEventResponse& event) {
  for (const v1::ContainerStatus& status : event.containers_statuses()) {
    if (status.id() != event.container_id()) continue;
    std::string details = status.metadata().name();
    if (status.state() == v1::CONTAINER_EXITED) {
      absl::StrAppend(&details, " (", status.reason(), ", exit code ",
                      status.exit_code(), ")");
    }
    return details;
  }
  const bool of_pod = event.pod_sandbox_status().id() == event.container_id();
  return of_pod ? event.pod_sandbox_status().metadata().name() : "";
}

std::string Line(const v1::ContainerEventResponse& event) {
  const std::string& pod = event.pod_sandbox_status().id();
  const bool of_pod = pod == event.container_id();
  return absl::StrFormat(
      "%s  %-9s  %-7s  %s  %s\n",
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3S",
                       absl::FromUnixNanos(event.created_at()),
                       absl::LocalTimeZone()),
      of_pod ? "pod" : "container", KindName(event.container_event_type()),
      ShortId(event.container_id()), Printable(Details(event)));
}

absl::Status Events(Context& context, Client& client) {
  absl::Status printed;
  absl::Status followed = client.FollowEvents(
      [&](const v1::ContainerEventResponse& event) {
        if (!printed.ok()) return;
        if (context.json) {
          printed = context.PrintJson(event);
        } else {
          context.out << Line(event);
        }
        context.out.flush();
      },
      Interrupted);
  RETURN_IF_ERROR(printed);
  return Interrupted() ? absl::CancelledError("interrupted") : followed;
}

}  // namespace

void AddEventsCommand(CLI::App& app, Context& context) {
  app.add_subcommand("events",
                     "Show what happens to pods and containers from now on")
      ->callback([&context] {
        RunWithClient(context, [&](Client& c) { return Events(context, c); });
      });
}

}  // namespace gantry::ctl
