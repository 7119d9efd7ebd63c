#include "runtime/cgroup/stats_io.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace gantry::cgroup {
namespace {

// The entry of the device that `number` ("8:16") names; null if it names none.
DeviceIo* Device(absl::string_view number, IoStats& io) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(number, absl::MaxSplits(':', 1));
  DeviceIo device;
  if (!absl::SimpleAtoi(parts.first, &device.major) ||
      !absl::SimpleAtoi(parts.second, &device.minor)) {
    return nullptr;
  }
  const auto known = std::find_if(
      io.devices.begin(), io.devices.end(), [&device](const DeviceIo& d) {
        return d.major == device.major && d.minor == device.minor;
      });
  if (known != io.devices.end()) return &*known;
  io.devices.push_back(device);
  return &io.devices.back();
}

// Lines of "8:0 Read 4096" and a "Total" at the end.
void AddBlkio(absl::string_view text, uint64_t DeviceIo::*read,
              uint64_t DeviceIo::*write, IoStats& io) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    uint64_t count = 0;
    if (words.size() != 3 || !absl::SimpleAtoi(words[2], &count)) continue;
    DeviceIo* device = Device(words[0], io);
    if (device == nullptr) continue;
    if (words[1] == "Read") device->*read += count;
    if (words[1] == "Write") device->*write += count;
  }
}

// Lines of "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0".
void AddIoStat(absl::string_view text, IoStats& io) {
  constexpr std::pair<const char*, uint64_t DeviceIo::*> kKeys[] = {
      {"rbytes=", &DeviceIo::read_bytes},
      {"wbytes=", &DeviceIo::write_bytes},
      {"rios=", &DeviceIo::read_operations},
      {"wios=", &DeviceIo::write_operations}};
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    DeviceIo* device = Device(words[0], io);
    if (device == nullptr) continue;
    for (absl::string_view word : words) {
      for (const auto& [key, counter] : kKeys) {
        absl::string_view number = word;
        uint64_t count = 0;
        if (absl::ConsumePrefix(&number, key) &&
            absl::SimpleAtoi(number, &count)) {
          device->*counter += count;
        }
      }
    }
  }
}

void SumUp(IoStats& io) {
  DeviceIo sum;
  for (const DeviceIo& device : io.devices) {
    sum.read_bytes += device.read_bytes;
    sum.write_bytes += device.write_bytes;
    sum.read_operations += device.read_operations;
    sum.write_operations += device.write_operations;
  }
  io.read_bytes = sum.read_bytes;
  io.write_bytes = sum.write_bytes;
  io.read_operations = sum.read_operations;
  io.write_operations = sum.write_operations;
}

}  // namespace

void ReadIo(Version version, const StatsSource& source, IoStats& io) {
  if (version == Version::kV2) {
    AddIoStat(source.Text("io.stat"), io);
    return SumUp(io);
  }
  const std::string bytes =
      source.Text("blkio.throttle.io_service_bytes_recursive");
  const std::string operations =
      source.Text("blkio.throttle.io_serviced_recursive");
  // Without I/O these files have a total of 0: empty ones are not there.
  if (bytes.empty() && operations.empty()) return;
  AddBlkio(bytes, &DeviceIo::read_bytes, &DeviceIo::write_bytes, io);
  AddBlkio(operations, &DeviceIo::read_operations, &DeviceIo::write_operations,
           io);
  SumUp(io);
}

void ReadHugepages(Version version, const StatsSource& source,
                   const std::vector<std::string>& sizes,
                   std::vector<HugepageStats>& hugepages) {
  const bool v1 = version == Version::kV1;
  for (const std::string& size : sizes) {
    const std::string stem = absl::StrCat("hugetlb.", size);
    const auto usage =
        source.Count(absl::StrCat(stem, v1 ? ".usage_in_bytes" : ".current"));
    if (!usage.has_value()) continue;
    HugepageStats stats;
    stats.page_size = size;
    stats.usage_bytes = *usage;
    stats.limit_bytes =
        source.Limit(absl::StrCat(stem, v1 ? ".limit_in_bytes" : ".max"));
    if (v1) {
      stats.max_usage_bytes =
          source.Count(absl::StrCat(stem, ".max_usage_in_bytes"));
    }
    hugepages.push_back(std::move(stats));
  }
}

}  // namespace gantry::cgroup
