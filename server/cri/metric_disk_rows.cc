#include "absl/strings/str_cat.h"
#include "server/core/device_names.h"
#include "server/cri/metric_rows.h"

namespace gantry::cri {
namespace {

using runtime::v1::COUNTER;
using runtime::v1::GAUGE;
using Subject = MetricSubject;
using Add = AddMetric;

void AddPerDevice(const Subject& subject, uint64_t cgroup::DeviceIo::*counter,
                  const Add& add) {
  for (const cgroup::DeviceIo& device : subject.counters().io.devices) {
    add(device.*counter, {core::BlockDeviceName(device.major, device.minor)});
  }
}

void AddDeviceUsage(const Subject& subject, const Add& add) {
  for (const cgroup::DeviceIo& device : subject.counters().io.devices) {
    const std::string name = core::BlockDeviceName(device.major, device.minor);
    const std::string major = absl::StrCat(device.major);
    const std::string minor = absl::StrCat(device.minor);
    add(device.read_bytes, {name, major, minor, "Read"});
    add(device.write_bytes, {name, major, minor, "Write"});
  }
}

}  // namespace

const std::vector<MetricRow>& DiskRows() {
  static const auto* const rows = new std::vector<MetricRow>{
      {"container_fs_usage_bytes",
       "What the container has written over its image, in bytes.",
       GAUGE,
       {"device"},
       [](const Subject& s, const Add& add) {
         const auto& layer = s.container->writable_layer;
         if (layer.has_value()) {
           add(layer->usage.bytes, {s.filesystem.device});
         }
       }},
      {"container_fs_limit_bytes",
       "Size of the file system that the container writes to, in bytes.",
       GAUGE,
       {"device"},
       [](const Subject& s, const Add& add) {
         add(s.filesystem.bytes, {s.filesystem.device});
       }},
      {"container_fs_inodes_total",
       "Inodes of the file system that the container writes to.",
       GAUGE,
       {"device"},
       [](const Subject& s, const Add& add) {
         add(s.filesystem.inodes, {s.filesystem.device});
       }},
      {"container_fs_inodes_free",
       "Free inodes of the file system that the container writes to.",
       GAUGE,
       {"device"},
       [](const Subject& s, const Add& add) {
         add(s.filesystem.free_inodes, {s.filesystem.device});
       }},
      {"container_fs_reads_total",
       "Reads from disks.",
       COUNTER,
       {"device"},
       [](const Subject& s, const Add& add) {
         AddPerDevice(s, &cgroup::DeviceIo::read_operations, add);
       }},
      {"container_fs_reads_bytes_total",
       "Bytes read from disks.",
       COUNTER,
       {"device"},
       [](const Subject& s, const Add& add) {
         AddPerDevice(s, &cgroup::DeviceIo::read_bytes, add);
       }},
      {"container_fs_writes_total",
       "Writes to disks.",
       COUNTER,
       {"device"},
       [](const Subject& s, const Add& add) {
         AddPerDevice(s, &cgroup::DeviceIo::write_operations, add);
       }},
      {"container_fs_writes_bytes_total",
       "Bytes written to disks.",
       COUNTER,
       {"device"},
       [](const Subject& s, const Add& add) {
         AddPerDevice(s, &cgroup::DeviceIo::write_bytes, add);
       }},
      {"container_blkio_device_usage_total",
       "Bytes read from and written to each disk.",
       COUNTER,
       {"device", "major", "minor", "operation"},
       AddDeviceUsage},
  };
  return *rows;
}

}  // namespace gantry::cri
