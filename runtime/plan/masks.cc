#include "runtime/plan/masks.h"

#include "runtime/base/status.h"
#include "runtime/plan/paths.h"

namespace gantry::plan {

std::vector<std::string> DefaultMaskedPaths() {
  return {"/proc/acpi",
          "/proc/asound",
          "/proc/interrupts",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/sys/devices/virtual/powercap",
          "/sys/firmware"};
}

std::vector<std::string> DefaultReadonlyPaths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
          "/proc/sysrq-trigger"};
}

absl::Status PlanMasks(const spec::Security& security, InitPlan& init) {
  if (security.privileged()) return absl::OkStatus();
  for (const std::string& path : security.masked_paths()) {
    ASSIGN_OR_RETURN(*init.add_masked_paths(),
                     CleanAbsolutePath(path, "masked_paths"));
  }
  for (const std::string& path : security.readonly_paths()) {
    ASSIGN_OR_RETURN(*init.add_readonly_paths(),
                     CleanAbsolutePath(path, "readonly_paths"));
  }
  if (security.masked_paths().empty()) {
    for (std::string& path : DefaultMaskedPaths()) {
      init.add_masked_paths(std::move(path));
    }
  }
  if (security.readonly_paths().empty()) {
    for (std::string& path : DefaultReadonlyPaths()) {
      init.add_readonly_paths(std::move(path));
    }
  }
  return absl::OkStatus();
}

}  // namespace gantry::plan
