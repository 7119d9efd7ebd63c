// gantryctl stats: what containers and pods use.

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

// What is measured: how to ask for it, and what a row shows.
struct Containers {
  using List = v1::ListContainerStatsResponse;
  using Item = v1::ContainerStats;
  static const v1::CpuUsage& Cpu(const Item& item) { return item.cpu(); }
};
struct Pods {
  using List = v1::ListPodSandboxStatsResponse;
  using Item = v1::PodSandboxStats;
  static const v1::CpuUsage& Cpu(const Item& item) {
    return item.linux().cpu();
  }
};

// CPU time per second, in percent of one CPU. `before`: an earlier read, or
// null.
std::string CpuPercent(const v1::CpuUsage& now, const v1::CpuUsage* before) {
  std::optional<double> percent;
  if (now.has_usage_nano_cores()) {
    percent = now.usage_nano_cores().value() / 1e7;
  } else if (before != nullptr) {
    const double nanos = now.timestamp() - before->timestamp();
    const double used =
        static_cast<double>(now.usage_core_nano_seconds().value()) -
        static_cast<double>(before->usage_core_nano_seconds().value());
    if (nanos > 0 && used >= 0) percent = 100 * used / nanos;
  }
  return percent.has_value() ? absl::StrFormat("%.1f", *percent) : "-";
}

std::string MemoryLimit(const v1::MemoryUsage& memory) {
  if (!memory.has_available_bytes()) return "-";
  return HumanSize(memory.available_bytes().value() +
                   memory.working_set_bytes().value());
}

// A list, and an earlier read of what it has no rate of, by id.
template <typename Kind>
struct Measured {
  typename Kind::List list;
  std::map<std::string, v1::CpuUsage> before;

  std::string Percent(const typename Kind::Item& item) const {
    const auto earlier = before.find(item.attributes().id());
    return CpuPercent(Kind::Cpu(item),
                      earlier == before.end() ? nullptr : &earlier->second);
  }
};

template <typename Kind, typename Request>
absl::StatusOr<Measured<Kind>> Measure(Client& client, const Request& request) {
  Measured<Kind> measured;
  ASSIGN_OR_RETURN(measured.list, client.Call(request));
  for (const typename Kind::Item& item : measured.list.stats()) {
    if (Kind::Cpu(item).has_usage_nano_cores()) continue;
    measured.before[item.attributes().id()] = Kind::Cpu(item);
  }
  if (measured.before.empty()) return measured;
  if (SleepUnlessInterrupted(kSampleApart)) {
    return absl::CancelledError("interrupted");
  }
  ASSIGN_OR_RETURN(measured.list, client.Call(request));
  return measured;
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
  if (context.json) {
    ASSIGN_OR_RETURN(v1::ListContainerStatsResponse list, client.Call(request));
    return context.PrintJson(list);
  }
  ASSIGN_OR_RETURN(Measured<Containers> measured,
                   Measure<Containers>(client, request));
  Table table(
      {"CONTAINER", "NAME", "CPU %", "MEMORY", "LIMIT", "DISK", "INODES"});
  for (const v1::ContainerStats& stats : measured.list.stats()) {
    table.Add({ShortId(stats.attributes().id()),
               stats.attributes().metadata().name(), measured.Percent(stats),
               HumanSize(stats.memory().working_set_bytes().value()),
               MemoryLimit(stats.memory()),
               HumanSize(stats.writable_layer().used_bytes().value()),
               absl::StrCat(stats.writable_layer().inodes_used().value())});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

absl::Status PodStats(Context& context, Client& client,
                      const std::string& word) {
  v1::ListPodSandboxStatsRequest request;
  if (!word.empty()) {
    ASSIGN_OR_RETURN(v1::PodSandbox pod, FindPod(client, word));
    if (pod.state() != v1::SANDBOX_READY) {
      return absl::FailedPreconditionError(absl::StrCat(
          "pod ", ShortId(pod.id()), " is stopped: it uses nothing"));
    }
    request.mutable_filter()->set_id(pod.id());
  }
  if (context.json) {
    ASSIGN_OR_RETURN(v1::ListPodSandboxStatsResponse list,
                     client.Call(request));
    return context.PrintJson(list);
  }
  ASSIGN_OR_RETURN(Measured<Pods> measured, Measure<Pods>(client, request));
  Table table({"POD", "NAME", "CPU %", "MEMORY", "LIMIT", "RECEIVED", "SENT",
               "PROCESSES", "CONTAINERS"});
  for (const v1::PodSandboxStats& stats : measured.list.stats()) {
    const v1::LinuxPodSandboxStats& used = stats.linux();
    const v1::NetworkInterfaceUsage& network =
        used.network().default_interface();
    const bool has_network = used.network().has_default_interface();
    table.Add({ShortId(stats.attributes().id()),
               stats.attributes().metadata().name(), measured.Percent(stats),
               HumanSize(used.memory().working_set_bytes().value()),
               MemoryLimit(used.memory()),
               has_network ? HumanSize(network.rx_bytes().value()) : "-",
               has_network ? HumanSize(network.tx_bytes().value()) : "-",
               absl::StrCat(used.process().process_count().value()),
               absl::StrCat(used.containers_size())});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

}  // namespace

void AddStatsCommand(CLI::App& app, Context& context) {
  const auto word = std::make_shared<std::string>();
  CLI::App* stats =
      app.add_subcommand("stats", "Show what running containers, or pods, use");
  const auto pods = std::make_shared<bool>(false);
  stats->add_option("NAME", *word, "Only this container, or pod");
  stats->add_flag("--pods", *pods, "What pods use, with their network");
  stats->callback([&context, word, pods] {
    RunWithClient(context, [&](Client& c) {
      return *pods ? PodStats(context, c, *word) : Stats(context, c, *word);
    });
  });
}

}  // namespace gantry::ctl
