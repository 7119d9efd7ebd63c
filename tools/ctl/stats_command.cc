// gantryctl stats: what containers use.

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/base/status.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

// Where the server has no recent rate, two samples this far apart give one.
constexpr absl::Duration kSampleApart = absl::Milliseconds(500);

bool LacksRate(const v1::ListContainerStatsResponse& list) {
  for (const v1::ContainerStats& stats : list.stats()) {
    if (!stats.cpu().has_usage_nano_cores()) return true;
  }
  return false;
}

// CPU time per second, in percent of one CPU.
std::string CpuPercent(const v1::ContainerStats& now,
                       const v1::ContainerStats* before) {
  std::optional<double> percent;
  if (now.cpu().has_usage_nano_cores()) {
    percent = now.cpu().usage_nano_cores().value() / 1e7;
  } else if (before != nullptr) {
    const double nanos = now.cpu().timestamp() - before->cpu().timestamp();
    const double used =
        static_cast<double>(now.cpu().usage_core_nano_seconds().value()) -
        static_cast<double>(before->cpu().usage_core_nano_seconds().value());
    if (nanos > 0 && used >= 0) percent = 100 * used / nanos;
  }
  return percent.has_value() ? absl::StrFormat("%.1f", *percent) : "-";
}

std::string MemoryLimit(const v1::MemoryUsage& memory) {
  if (!memory.has_available_bytes()) return "-";
  return HumanSize(memory.available_bytes().value() +
                   memory.working_set_bytes().value());
}

absl::Status Stats(Context& context, Client& client, const std::string& word) {
  v1::ListContainerStatsRequest request;
  if (!word.empty()) {
    ASSIGN_OR_RETURN(v1::Container container, FindContainer(client, word));
    if (container.state() != v1::CONTAINER_RUNNING) {
      return absl::FailedPreconditionError(
          absl::StrCat("container ", ShortId(container.id()),
                       " does not run: it uses nothing"));
    }
    request.mutable_filter()->set_id(container.id());
  }
  ASSIGN_OR_RETURN(v1::ListContainerStatsResponse list, client.Call(request));
  if (context.json) return context.PrintJson(list);
  std::map<std::string, v1::ContainerStats> before;
  if (LacksRate(list)) {
    for (v1::ContainerStats& stats : *list.mutable_stats()) {
      const std::string id = stats.attributes().id();
      before[id] = std::move(stats);
    }
    if (SleepUnlessInterrupted(kSampleApart)) {
      return absl::CancelledError("interrupted");
    }
    ASSIGN_OR_RETURN(list, client.Call(request));
  }
  Table table(
      {"CONTAINER", "NAME", "CPU %", "MEMORY", "LIMIT", "DISK", "INODES"});
  for (const v1::ContainerStats& stats : list.stats()) {
    const auto earlier = before.find(stats.attributes().id());
    table.Add({ShortId(stats.attributes().id()),
               stats.attributes().metadata().name(),
               CpuPercent(stats,
                          earlier == before.end() ? nullptr : &earlier->second),
               HumanSize(stats.memory().working_set_bytes().value()),
               MemoryLimit(stats.memory()),
               HumanSize(stats.writable_layer().used_bytes().value()),
               absl::StrCat(stats.writable_layer().inodes_used().value())});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

}  // namespace

void AddStatsCommand(CLI::App& app, Context& context) {
  const auto word = std::make_shared<std::string>();
  CLI::App* stats =
      app.add_subcommand("stats", "Show what running containers use");
  stats->add_option("CONTAINER", *word, "Only this one");
  stats->callback([&context, word] {
    RunWithClient(context, [&](Client& c) { return Stats(context, c, *word); });
  });
}

}  // namespace gantry::ctl
