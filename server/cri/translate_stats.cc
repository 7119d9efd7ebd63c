#include "server/cri/translate_stats.h"

#include <cstdint>
#include <optional>

#include "server/cri/translate_pod.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::PsiData;
using ::runtime::v1::PsiStats;
using ::runtime::v1::UInt64Value;

// What network plugins are asked to call a pod's interface.
constexpr absl::string_view kPodInterface = "eth0";

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

void SetCpu(const core::CgroupStats& cgroup, runtime::v1::CpuUsage& to) {
  using runtime::v1::CpuUsage;
  to.set_timestamp(cgroup.at);
  Set(cgroup.counters.cpu.usage_ns, to,
      &CpuUsage::mutable_usage_core_nano_seconds);
  Set(cgroup.usage_nano_cores, to, &CpuUsage::mutable_usage_nano_cores);
  if (cgroup.counters.cpu.pressure.has_value()) {
    *to.mutable_psi() = PressureToCri(*cgroup.counters.cpu.pressure);
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

void SetIo(const cgroup::IoStats& io, int64_t at, runtime::v1::IoUsage& to) {
  to.set_timestamp(at);
  *to.mutable_psi() = PressureToCri(*io.pressure);
}

void SetLayer(const core::MeasuredLayer& layer, const std::string& layers_dir,
              runtime::v1::FilesystemUsage& to) {
  to.set_timestamp(layer.at);
  to.mutable_fs_id()->set_mountpoint(layers_dir);
  to.mutable_used_bytes()->set_value(layer.usage.bytes);
  to.mutable_inodes_used()->set_value(layer.usage.inodes);
}

runtime::v1::NetworkInterfaceUsage LinkToCri(const net::LinkStats& link) {
  runtime::v1::NetworkInterfaceUsage to;
  to.set_name(link.name);
  to.mutable_rx_bytes()->set_value(link.rx_bytes);
  to.mutable_rx_errors()->set_value(link.rx_errors);
  to.mutable_tx_bytes()->set_value(link.tx_bytes);
  to.mutable_tx_errors()->set_value(link.tx_errors);
  return to;
}

void SetNetwork(const std::vector<net::LinkStats>& links, int64_t at,
                runtime::v1::NetworkUsage& to) {
  to.set_timestamp(at);
  const net::LinkStats* by_default = DefaultInterface(links);
  for (const net::LinkStats& link : links) {
    if (&link == by_default) {
      *to.mutable_default_interface() = LinkToCri(link);
    } else {
      *to.add_interfaces() = LinkToCri(link);
    }
  }
}

}  // namespace

const net::LinkStats* DefaultInterface(
    const std::vector<net::LinkStats>& links) {
  const net::LinkStats* first = nullptr;
  for (const net::LinkStats& link : links) {
    if (link.loopback) continue;
    if (link.name == kPodInterface) return &link;
    if (first == nullptr) first = &link;
  }
  return first;
}

runtime::v1::ContainerStats ContainerStatsToCri(
    const core::ContainerStats& stats, const std::string& layers_dir) {
  runtime::v1::ContainerStats to;
  SetAttributes(*stats.container, *to.mutable_attributes());
  if (stats.cgroup.has_value()) {
    const cgroup::Stats& counters = stats.cgroup->counters;
    const int64_t at = stats.cgroup->at;
    SetCpu(*stats.cgroup, *to.mutable_cpu());
    SetMemory(counters.memory, at, *to.mutable_memory());
    SetSwap(counters.memory, at, *to.mutable_swap());
    if (counters.io.pressure.has_value()) {
      SetIo(counters.io, at, *to.mutable_io());
    }
  }
  if (stats.writable_layer.has_value()) {
    SetLayer(*stats.writable_layer, layers_dir, *to.mutable_writable_layer());
  }
  return to;
}

runtime::v1::PodSandboxStats PodStatsToCri(const core::PodStats& stats,
                                           const std::string& layers_dir) {
  runtime::v1::PodSandboxStats to;
  runtime::v1::PodSandboxAttributes& attributes = *to.mutable_attributes();
  attributes.set_id(stats.pod->id());
  *attributes.mutable_metadata() = PodMetadataToCri(stats.pod->metadata());
  *attributes.mutable_labels() = stats.pod->labels();
  *attributes.mutable_annotations() = stats.pod->annotations();
  runtime::v1::LinuxPodSandboxStats& linux_stats = *to.mutable_linux();
  if (stats.cgroup.has_value()) {
    const cgroup::Stats& counters = stats.cgroup->counters;
    SetCpu(*stats.cgroup, *linux_stats.mutable_cpu());
    SetMemory(counters.memory, stats.cgroup->at, *linux_stats.mutable_memory());
    if (counters.io.pressure.has_value()) {
      SetIo(counters.io, stats.cgroup->at, *linux_stats.mutable_io());
    }
  }
  if (stats.links.has_value()) {
    SetNetwork(*stats.links, stats.at, *linux_stats.mutable_network());
  }
  if (stats.process_count.has_value()) {
    runtime::v1::ProcessUsage& process = *linux_stats.mutable_process();
    process.set_timestamp(stats.at);
    process.mutable_process_count()->set_value(*stats.process_count);
  }
  for (const core::ContainerStats& container : stats.containers) {
    *linux_stats.add_containers() = ContainerStatsToCri(container, layers_dir);
  }
  return to;
}

}  // namespace gantry::cri
