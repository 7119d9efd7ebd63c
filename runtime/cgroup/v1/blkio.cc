#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v1/controllers.h"

namespace gantry::cgroup::v1 {

namespace {

void AppendRates(absl::string_view file, const std::vector<DeviceRate>& rates,
                 Writes& writes) {
  for (const DeviceRate& device : rates) {
    const std::string key = absl::StrCat(device.major, ":", device.minor);
    writes.push_back({std::string(file), absl::StrCat(key, " ", device.rate),
                      IfMissing::kFail, absl::StrCat(key, " 0")});
  }
}

}  // namespace

absl::StatusOr<Writes> BlkioWrites(const Resources& resources) {
  const BlockIo& io = resources.block_io;
  RETURN_IF_ERROR(CheckWeights(io));
  Writes writes;
  // The first name is CFQ's (until Linux 4.20), the second BFQ's.
  if (io.weight.has_value()) {
    const std::string weight = absl::StrCat(*io.weight);
    writes.push_back({"blkio.weight", weight, IfMissing::kNext});
    writes.push_back({"blkio.bfq.weight", weight});
  }
  for (const DeviceWeight& device : io.device_weights) {
    const std::string key = absl::StrCat(device.major, ":", device.minor);
    const std::string value = absl::StrCat(key, " ", device.weight);
    writes.push_back({"blkio.weight_device", value, IfMissing::kNext,
                      absl::StrCat(key, " 0")});
    writes.push_back({"blkio.bfq.weight_device", value, IfMissing::kFail,
                      absl::StrCat(key, " default")});
  }
  AppendRates("blkio.throttle.read_bps_device", io.read_bps, writes);
  AppendRates("blkio.throttle.write_bps_device", io.write_bps, writes);
  AppendRates("blkio.throttle.read_iops_device", io.read_iops, writes);
  AppendRates("blkio.throttle.write_iops_device", io.write_iops, writes);
  return writes;
}

}  // namespace gantry::cgroup::v1
