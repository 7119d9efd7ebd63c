#include "server/cri/translate_stats.h"

#include <cstdint>
#include <optional>

namespace gantry::cri {
namespace {

using ::runtime::v1::PsiData;
using ::runtime::v1::PsiStats;
using ::runtime::v1::UInt64Value;

// Sets the value that `field` gives access to, if there is one.
template <typename Message>
void Set(const std::optional<uint64_t>& value, Message& message,
         UInt64Value* (Message::*field)()) {
  if (value.has_value()) (message.*field)()->set_value(*value);
}

PsiData LineToCri(const cgroup::PressureLine& line) {
  PsiData data;
  data.set_total(line.total_us * 1000);
  data.set_avg10(line.avg10_percent);
  data.set_avg60(line.avg60_percent);
  data.set_avg300(line.avg300_percent);
  return data;
}

PsiStats PressureToCri(const cgroup::Pressure& pressure) {
  PsiStats psi;
  *psi.mutable_full() = LineToCri(pressure.full);
  *psi.mutable_some() = LineToCri(pressure.some);
  return psi;
}

void SetAttributes(const record::ContainerRecord& container,
                   runtime::v1::ContainerAttributes& to) {
  to.set_id(container.id());
  to.mutable_metadata()->set_name(container.metadata().name());
  to.mutable_metadata()->set_attempt(container.metadata().attempt());
  *to.mutable_labels() = container.labels();
  *to.mutable_annotations() = container.annotations();
}

void SetCpu(const cgroup::CpuStats& cpu, int64_t at,
            runtime::v1::CpuUsage& to) {
  to.set_timestamp(at);
  Set(cpu.usage_ns, to,
      &runtime::v1::CpuUsage::mutable_usage_core_nano_seconds);
  if (cpu.pressure.has_value()) {
    *to.mutable_psi() = PressureToCri(*cpu.pressure);
  }
}

void SetMemory(const cgroup::MemoryStats& memory, int64_t at,
               runtime::v1::MemoryUsage& to) {
  using runtime::v1::MemoryUsage;
  to.set_timestamp(at);
  Set(memory.working_set_bytes, to, &MemoryUsage::mutable_working_set_bytes);
  Set(memory.available_bytes, to, &MemoryUsage::mutable_available_bytes);
  Set(memory.usage_bytes, to, &MemoryUsage::mutable_usage_bytes);
  Set(memory.rss_bytes, to, &MemoryUsage::mutable_rss_bytes);
  Set(memory.page_faults, to, &MemoryUsage::mutable_page_faults);
  Set(memory.major_page_faults, to, &MemoryUsage::mutable_major_page_faults);
  if (memory.pressure.has_value()) {
    *to.mutable_psi() = PressureToCri(*memory.pressure);
  }
}

void SetSwap(const cgroup::MemoryStats& memory, int64_t at,
             runtime::v1::SwapUsage& to) {
  using runtime::v1::SwapUsage;
  to.set_timestamp(at);
  Set(memory.swap_usage_bytes, to, &SwapUsage::mutable_swap_usage_bytes);
  Set(memory.swap_available_bytes, to,
      &SwapUsage::mutable_swap_available_bytes);
}

}  // namespace

runtime::v1::ContainerStats ContainerStatsToCri(
    const core::ContainerStats& stats, const std::string& layers_dir) {
  runtime::v1::ContainerStats to;
  SetAttributes(*stats.container, *to.mutable_attributes());
  if (stats.cgroup.has_value()) {
    SetCpu(stats.cgroup->cpu, stats.at, *to.mutable_cpu());
    SetMemory(stats.cgroup->memory, stats.at, *to.mutable_memory());
    SetSwap(stats.cgroup->memory, stats.at, *to.mutable_swap());
    if (stats.cgroup->io.pressure.has_value()) {
      to.mutable_io()->set_timestamp(stats.at);
      *to.mutable_io()->mutable_psi() =
          PressureToCri(*stats.cgroup->io.pressure);
    }
  }
  runtime::v1::FilesystemUsage& layer = *to.mutable_writable_layer();
  layer.set_timestamp(stats.at);
  layer.mutable_fs_id()->set_mountpoint(layers_dir);
  layer.mutable_used_bytes()->set_value(stats.writable_layer.bytes);
  layer.mutable_inodes_used()->set_value(stats.writable_layer.inodes);
  return to;
}

}  // namespace gantry::cri
