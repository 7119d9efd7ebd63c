#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/floor_child.h"
#include "tools/bench/held_pods.h"
#include "tools/bench/mode.h"
#include "tools/bench/probes.h"
#include "tools/bench/process_memory.h"
#include "tools/bench/server_view.h"

namespace gantry::bench {
namespace {

// As a kubelet's default for probes.
constexpr absl::Duration kProbePeriod = absl::Seconds(10);
// What starting left to do is done then: the kernel frees, servers look again.
constexpr absl::Duration kSettle = absl::Seconds(2);

// One server's part of the report.
class DensityOf {
 public:
  DensityOf(const ModeOptions& options, HeldPods& held, ServerView view,
            Report* report)
      : options_(options),
        held_(held),
        server_(held.server()),
        view_(std::move(view)),
        report_(*report) {}

  absl::Status Measure();

 private:
  void AddPerPod(absl::string_view what, double sum, const char* unit) {
    report_.AddValue(NameOf(server_, absl::StrCat(what, " per pod")),
                     sum / options_.count, unit);
  }
  // Of the server alone, and with all that runs for the pods.
  struct Cpu {
    int64_t began = 0;
    CpuTimes server;
    CpuTimes all;
  };
  absl::StatusOr<std::vector<Process>> RuntimeNow() const;
  absl::Status AddMemory();
  absl::StatusOr<Cpu> CpuNow() const;
  absl::Status AddCpuSince(const Cpu& begin, absl::string_view when);
  absl::Status AddCpu();

  const ModeOptions& options_;
  HeldPods& held_;
  const NamedServer& server_;
  const ServerView view_;
  Report& report_;
  std::vector<Process> before_;
};

absl::StatusOr<std::vector<Process>> DensityOf::RuntimeNow() const {
  ASSIGN_OR_RETURN(const std::vector<Process> now, view_.Processes());
  return RuntimeProcesses(before_, now, view_.pid(), server_.endpoint.command);
}

absl::Status DensityOf::AddMemory() {
  ASSIGN_OR_RETURN(const std::vector<Process> runtime, RuntimeNow());
  ASSIGN_OR_RETURN(const int64_t pss, PssBytes(view_.procfd(), runtime));
  AddPerPod("runtime processes", static_cast<double>(runtime.size()), "");
  AddPerPod("PSS of runtime processes", static_cast<double>(pss), "B");
  return view_.AddPss(server_, absl::StrCat("with ", options_.count, " pods"),
                      &report_);
}

absl::StatusOr<DensityOf::Cpu> DensityOf::CpuNow() const {
  ASSIGN_OR_RETURN(const std::vector<Process> runtime, RuntimeNow());
  ASSIGN_OR_RETURN(const std::vector<Process> now, view_.Processes());
  Cpu cpu;
  cpu.began = MonotonicNanos();
  ASSIGN_OR_RETURN(cpu.server, CpuNanos(view_.procfd(), view_.Itself(now)));
  ASSIGN_OR_RETURN(cpu.all, CpuNanos(view_.procfd(), runtime));
  cpu.all.insert(cpu.server.begin(), cpu.server.end());
  return cpu;
}

absl::Status DensityOf::AddCpuSince(const Cpu& begin, absl::string_view when) {
  ASSIGN_OR_RETURN(const Cpu end, CpuNow());
  const auto passed = static_cast<double>(end.began - begin.began);
  report_.AddValue(NameOf(server_, absl::StrCat("CPU, ", when)),
                   100 * CpuBetween(begin.all, end.all) / passed,
                   "% of a core");
  report_.AddValue(NameOf(server_, absl::StrCat("CPU of the server, ", when)),
                   100 * CpuBetween(begin.server, end.server) / passed,
                   "% of a core");
  return absl::OkStatus();
}

absl::Status DensityOf::AddCpu() {
  ASSIGN_OR_RETURN(const Cpu idle, CpuNow());
  RETURN_IF_ERROR(Wait(options_.idle));
  RETURN_IF_ERROR(AddCpuSince(idle, "idle"));
  ASSIGN_OR_RETURN(const Cpu probed, CpuNow());
  ASSIGN_OR_RETURN(const int probes, ProbeFor(options_.idle, kProbePeriod,
                                              options_.parallel, held_));
  RETURN_IF_ERROR(AddCpuSince(probed, "probed"));
  report_.AddValue(NameOf(server_, "exec probes"), probes, "");
  return absl::OkStatus();
}

absl::Status DensityOf::Measure() {
  ASSIGN_OR_RETURN(before_, view_.Processes());
  ASSIGN_OR_RETURN(const int64_t mounts_before, view_.Mounts());
  RETURN_IF_ERROR(view_.AddPss(server_, "before", &report_));
  Report unused("density");
  RETURN_IF_ERROR(
      held_.Start(options_.count, options_.longest, &unused).status());
  RETURN_IF_ERROR(Wait(kSettle));
  RETURN_IF_ERROR(AddMemory());
  ASSIGN_OR_RETURN(const int64_t mounts, view_.Mounts());
  AddPerPod("mounts of the host", static_cast<double>(mounts - mounts_before),
            "");
  RETURN_IF_ERROR(AddCpu());
  RETURN_IF_ERROR(held_.Stop(options_.longest, &unused).status());
  RETURN_IF_ERROR(held_.Remove(options_.longest, &unused).status());
  RETURN_IF_ERROR(Wait(kSettle));
  return view_.AddPss(server_, "after", &report_);
}

}  // namespace

absl::StatusOr<Report> Density(const ModeOptions& options) {
  ASSIGN_OR_RETURN(std::unique_ptr<RunMark> mark,
                   RunMark::Make(options.scratch));
  Report report("density");
  report.SetFact("pods", absl::StrCat(options.count));
  std::vector<NamedServer> servers = ServersOf(options);
  for (NamedServer& server : servers) {
    server.endpoint.command = mark->UniqueSleep();
  }
  const auto measure = [&](HeldPods& held) -> absl::Status {
    ASSIGN_OR_RETURN(ServerView view,
                     ServerView::Of(held.server().endpoint.socket));
    return DensityOf(options, held, std::move(view), &report).Measure();
  };
  RETURN_IF_ERROR(WithHeldPods(options, *mark, servers, &report, measure));
  return report;
}

}  // namespace gantry::bench
