#include "runtime/cgroup/current_limits.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"

namespace gantry::cgroup {

namespace {

absl::Status CheckBytes(absl::string_view what, std::optional<int64_t> bytes,
                        int64_t smallest) {
  if (!bytes.has_value() || *bytes == -1 || *bytes >= smallest) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", *bytes, ": want ",
                   smallest > 0 ? "a positive number" : "0 or more",
                   " of bytes, or -1 for no limit"));
}

absl::Status CheckWeight(absl::string_view what, uint32_t weight) {
  if (weight >= 10 && weight <= 1000) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", weight, ": want 10 to 1000"));
}

}  // namespace

absl::StatusOr<int64_t> CheckMemory(const Resources& resources,
                                    const CurrentLimits& now) {
  RETURN_IF_ERROR(CheckBytes("memory_limit", resources.memory_limit, 1));
  RETURN_IF_ERROR(CheckBytes("memory_swap", resources.memory_swap, 1));
  RETURN_IF_ERROR(
      CheckBytes("memory_reservation", resources.memory_reservation, 0));
  const int64_t limit =
      resources.memory_limit.value_or(now.memory.value_or(-1));
  const int64_t swap = resources.memory_swap.value_or(-1);
  if (swap == -1) return limit;
  if (limit == -1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "memory_swap ", swap, ": needs a memory_limit, and there is none"));
  }
  if (swap < limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory_swap ", swap,
                     ": counts memory and swap, so it "
                     "can't be less than the memory limit ",
                     limit));
  }
  return limit;
}

absl::Status CheckCpu(const Resources& resources) {
  if (resources.cpu_quota.has_value() && *resources.cpu_quota != -1 &&
      *resources.cpu_quota < 1000) {
    return absl::InvalidArgumentError(
        absl::StrCat("cpu_quota ", *resources.cpu_quota,
                     ": want 1000 us or more, or -1 for no limit"));
  }
  if (resources.cpu_period.has_value() &&
      (*resources.cpu_period < 1000 || *resources.cpu_period > 1000000)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cpu_period ", *resources.cpu_period, ": want 1000 to 1000000 us"));
  }
  return absl::OkStatus();
}

absl::Status CheckPageSize(absl::string_view page_size) {
  absl::string_view digits = page_size;
  const bool unit = absl::ConsumeSuffix(&digits, "KB") ||
                    absl::ConsumeSuffix(&digits, "MB") ||
                    absl::ConsumeSuffix(&digits, "GB");
  bool number = !digits.empty() && digits.size() <= 9;
  for (char c : digits) number = number && absl::ascii_isdigit(c);
  if (unit && number) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("huge page size \"", page_size,
                   "\": want a number and KB, MB or GB, such as 2MB"));
}

absl::Status CheckCpuList(absl::string_view what, absl::string_view list) {
  bool good = !list.empty() && list.size() <= 4096;
  for (char c : list) {
    good = good && (absl::ascii_isdigit(c) || c == ',' || c == '-' ||
                    c == ':' || c == '/');
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", list, "\": want a list such as 0-3,8"));
}

absl::Status CheckWeights(const BlockIo& block_io) {
  if (block_io.weight.has_value()) {
    RETURN_IF_ERROR(CheckWeight("blkio weight", *block_io.weight));
  }
  for (const DeviceWeight& device : block_io.device_weights) {
    RETURN_IF_ERROR(CheckWeight(
        absl::StrCat("blkio weight of ", device.major, ":", device.minor),
        device.weight));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> PidsText(int64_t limit) {
  if (limit == -1) return std::string("max");
  if (limit > 0) return absl::StrCat(limit);
  return absl::InvalidArgumentError(absl::StrCat(
      "pids_limit ", limit, ": want a positive number, or -1 for no limit"));
}

}  // namespace gantry::cgroup
