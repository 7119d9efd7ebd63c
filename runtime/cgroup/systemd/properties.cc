#include "runtime/cgroup/systemd/properties.h"

#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::systemd {

namespace {

constexpr uint64_t kDefaultPeriod = 100'000;
constexpr uint64_t kSecond = 1'000'000;
// A percent of a second, as CPUQuota= is kept.
constexpr uint64_t kPercent = kSecond / 100;
constexpr uint64_t kMaxWeight = 10'000;
// The kernel's largest possible CPU and memory node, and more.
constexpr uint32_t kMaxListed = 1 << 16;

struct BytesFile {
  absl::string_view file;
  absl::string_view property;
  bool has_room;  // not for what protects: it is the container's alone
};
constexpr BytesFile kBytesFiles[] = {
    {"memory.max", "MemoryMax", true},
    {"memory.high", "MemoryHigh", true},
    {"memory.swap.max", "MemorySwapMax", true},
    {"memory.low", "MemoryLow", false},
    {"memory.min", "MemoryMin", false},
};

struct IoKey {
  absl::string_view key;
  absl::string_view property;
  uint64_t room;
};
constexpr IoKey kIoKeys[] = {
    {"rbps", "IOReadBandwidthMax", kShimIoBytes},
    {"wbps", "IOWriteBandwidthMax", kShimIoBytes},
    {"riops", "IOReadIOPSMax", kShimIoOperations},
    {"wiops", "IOWriteIOPSMax", kShimIoOperations},
};

// A number with the suffix of a power of 1024, or "max", as the kernel reads it
// (memparse).
std::optional<uint64_t> ParseBytes(absl::string_view text) {
  if (text == "max") return kInfinity;
  int shift = 0;
  if (!text.empty()) {
    const size_t power =
        absl::string_view("kmgtpe").find(absl::ascii_tolower(text.back()));
    if (power != absl::string_view::npos) {
      shift = 10 * (static_cast<int>(power) + 1);
      text.remove_suffix(1);
    }
  }
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) return std::nullopt;
  if (shift > 0 && number > (kInfinity >> shift)) return std::nullopt;
  return number << shift;
}

uint64_t Add(uint64_t limit, uint64_t room) {
  return limit > kInfinity - room ? kInfinity : limit + room;
}

// The bits of "0-3,8" as systemd takes a set: byte 0 has the bits 0 to 7.
std::optional<std::vector<uint8_t>> ParseSet(absl::string_view list) {
  std::vector<uint8_t> bits;
  for (absl::string_view part :
       absl::StrSplit(list, absl::ByAnyChar(", \n"), absl::SkipEmpty())) {
    const std::vector<absl::string_view> ends = absl::StrSplit(part, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || last < first ||
        last >= kMaxListed) {
      return std::nullopt;
    }
    if (bits.size() <= last / 8) bits.resize(last / 8 + 1);
    for (uint32_t i = first; i <= last; ++i) bits[i / 8] |= 1 << (i % 8);
  }
  return bits;
}

class Collector {
 public:
  explicit Collector(Holder holder) : in_scope_(holder == Holder::kScope) {}

  // What is not understood, or has no property, is left out: it is the files'.
  void Take(const FileWrite& write) {
    for (const BytesFile& row : kBytesFiles) {
      if (row.file == write.file) return TakeBytes(row, write.value);
    }
    if (write.file == "cpu.max") return TakeQuota(write.value);
    if (write.file == "cpu.weight") return TakeWeight("CPUWeight", write.value);
    if (write.file == "cpuset.cpus") return TakeSet("AllowedCPUs", write.value);
    if (write.file == "cpuset.mems") {
      return TakeSet("AllowedMemoryNodes", write.value);
    }
    if (write.file == "pids.max") {
      if (const auto tasks = ParseBytes(write.value)) {
        Set("TasksMax", Add(*tasks, Room(kShimTasks)));
      }
      return;
    }
    if (write.file == "io.weight") return TakeIoWeight(write.value);
    if (write.file == "io.max") return TakeIoMax(write.value);
  }

  Properties Finish() { return std::move(properties_); }

 private:
  uint64_t Room(uint64_t room) const { return in_scope_ ? room : 0; }

  Value& Find(absl::string_view name) {
    for (Property& property : properties_) {
      if (property.name == name) return property.value;
    }
    return properties_.emplace_back(Property{std::string(name), {}}).value;
  }

  void Set(absl::string_view name, Value value) {
    Find(name) = std::move(value);
  }

  void SetDevice(absl::string_view name, absl::string_view device,
                 uint64_t value) {
    Value& all = Find(name);
    if (!std::holds_alternative<DeviceValues>(all)) all = DeviceValues();
    DeviceValues& values = std::get<DeviceValues>(all);
    const std::string path = absl::StrCat("/dev/block/", device);
    for (auto& [known, old] : values) {
      if (known == path) {
        old = value;
        return;
      }
    }
    values.emplace_back(path, value);
  }

  void TakeBytes(const BytesFile& row, absl::string_view text) {
    const std::optional<uint64_t> bytes = ParseBytes(text);
    if (!bytes.has_value()) return;
    Set(row.property, Add(*bytes, row.has_room ? Room(kShimMemory) : 0));
  }

  void TakeQuota(absl::string_view text) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(text, ' ', absl::SkipEmpty());
    uint64_t period = kDefaultPeriod;
    if (words.empty() || words.size() > 2) return;
    if (words.size() == 2 &&
        (!absl::SimpleAtoi(words[1], &period) || period == 0)) {
      return;
    }
    uint64_t per_second = kInfinity;
    uint64_t quota = 0;
    if (words[0] != "max") {
      if (!absl::SimpleAtoi(words[0], &quota)) return;
      // No machine has the CPUs for more.
      if (quota > kInfinity / kSecond) return;
      const uint64_t exact = (quota * kSecond + period - 1) / period;
      const uint64_t wanted = exact + Room(kShimCpu);
      per_second = (wanted + kPercent - 1) / kPercent * kPercent;
    }
    Set("CPUQuotaPerSecUSec", per_second);
    Set("CPUQuotaPeriodUSec", period);
  }

  void TakeWeight(absl::string_view name, absl::string_view text) {
    uint64_t weight = 0;
    if (absl::SimpleAtoi(text, &weight) && weight >= 1 &&
        weight <= kMaxWeight) {
      Set(name, weight);
    }
  }

  void TakeSet(absl::string_view name, absl::string_view list) {
    auto bits = ParseSet(list);
    if (bits.has_value()) Set(name, *std::move(bits));
  }

  // "100", "default 100" or "8:0 100".
  void TakeIoWeight(absl::string_view text) {
    absl::ConsumePrefix(&text, "default ");
    const std::vector<absl::string_view> words =
        absl::StrSplit(text, ' ', absl::SkipEmpty());
    if (words.size() == 1) return TakeWeight("IOWeight", words[0]);
    uint64_t weight = 0;
    if (words.size() == 2 && absl::SimpleAtoi(words[1], &weight) &&
        weight >= 1 && weight <= kMaxWeight) {
      SetDevice("IODeviceWeight", words[0], weight);
    }
  }

  // "8:0 rbps=1024 wiops=max".
  void TakeIoMax(absl::string_view text) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(text, ' ', absl::SkipEmpty());
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      if (equals == absl::string_view::npos) continue;
      const auto rate = ParseBytes(words[i].substr(equals + 1));
      for (const IoKey& row : kIoKeys) {
        if (!rate.has_value() || row.key != words[i].substr(0, equals)) {
          continue;
        }
        SetDevice(row.property, words[0], Add(*rate, Room(row.room)));
      }
    }
  }

  const bool in_scope_;
  Properties properties_;
};

// As in a unit that was given nothing.
Value DefaultOf(const Property& property) {
  if (std::holds_alternative<std::vector<uint8_t>>(property.value)) {
    return std::vector<uint8_t>();
  }
  if (std::holds_alternative<DeviceValues>(property.value)) {
    return DeviceValues();
  }
  const bool protects =
      property.name == "MemoryLow" || property.name == "MemoryMin";
  return protects ? uint64_t{0} : kInfinity;
}

// Null if there is none of that name.
const Property* FindIn(const Properties& properties, absl::string_view name) {
  for (const Property& property : properties) {
    if (property.name == name) return &property;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<Properties> LimitProperties(const Resources& resources,
                                           Holder holder) {
  const CurrentLimits none;
  Collector collector(holder);
  auto take = [&collector](absl::StatusOr<Writes> writes) -> absl::Status {
    RETURN_IF_ERROR(writes);
    for (const FileWrite& write : *writes) collector.Take(write);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(take(v2::MemoryWrites(resources, none)));
  RETURN_IF_ERROR(take(v2::CpuWrites(resources, none)));
  RETURN_IF_ERROR(take(v2::CpusetWrites(resources)));
  RETURN_IF_ERROR(take(v2::PidsWrites(resources)));
  RETURN_IF_ERROR(take(v2::IoWrites(resources)));
  // Last, as in the files: it overrules.
  RETURN_IF_ERROR(take(v2::UnifiedWrites(resources)));
  return collector.Finish();
}

Properties TakingBack(const Properties& before, const Properties& after,
                      const Properties& in_effect) {
  Properties back = before;
  for (const Property& property : after) {
    if (FindIn(before, property.name) != nullptr) continue;
    const Property* known = FindIn(in_effect, property.name);
    back.push_back(known != nullptr
                       ? *known
                       : Property{property.name, DefaultOf(property)});
  }
  return back;
}

}  // namespace gantry::cgroup::systemd
