#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::v2 {

namespace {

// All that is set for one device, on one line of io.max.
struct Line {
  std::string device;
  std::string limits;
  std::string reset;
};

void Collect(absl::string_view key, const std::vector<DeviceRate>& rates,
             std::vector<Line>& lines) {
  for (const DeviceRate& rate : rates) {
    const std::string device = absl::StrCat(rate.major, ":", rate.minor);
    Line* line = nullptr;
    for (Line& candidate : lines) {
      if (candidate.device == device) line = &candidate;
    }
    if (line == nullptr) line = &lines.emplace_back(Line{device, "", ""});
    absl::StrAppend(&line->limits, " ", key, "=",
                    rate.rate == 0 ? "max" : absl::StrCat(rate.rate));
    absl::StrAppend(&line->reset, " ", key, "=max");
  }
}

}  // namespace

uint64_t IoWeightFromBlkio(uint32_t weight) {
  return 1 + (weight - 10) * 9999 / 990;
}

absl::StatusOr<Writes> IoWrites(const Resources& resources) {
  const BlockIo& io = resources.block_io;
  RETURN_IF_ERROR(CheckWeights(io));
  Writes writes;
  // BFQ has a file of its own, in blkio's scale; io.weight is iocost's.
  if (io.weight.has_value()) {
    writes.push_back(
        {"io.bfq.weight", absl::StrCat(*io.weight), IfMissing::kNext});
    writes.push_back(
        {"io.weight", absl::StrCat(IoWeightFromBlkio(*io.weight))});
  }
  for (const DeviceWeight& device : io.device_weights) {
    const std::string key = absl::StrCat(device.major, ":", device.minor);
    const std::string reset = absl::StrCat(key, " default");
    writes.push_back({"io.bfq.weight", absl::StrCat(key, " ", device.weight),
                      IfMissing::kNext, reset});
    writes.push_back({"io.weight",
                      absl::StrCat(key, " ", IoWeightFromBlkio(device.weight)),
                      IfMissing::kFail, reset});
  }
  std::vector<Line> lines;
  Collect("rbps", io.read_bps, lines);
  Collect("wbps", io.write_bps, lines);
  Collect("riops", io.read_iops, lines);
  Collect("wiops", io.write_iops, lines);
  for (Line& line : lines) {
    writes.push_back({"io.max", line.device + line.limits, IfMissing::kFail,
                      line.device + line.reset});
  }
  return writes;
}

}  // namespace gantry::cgroup::v2
