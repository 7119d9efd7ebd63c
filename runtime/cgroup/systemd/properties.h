// Limits as properties of systemd's units.
//
// Made from the very writes that the cgroup's files get, so that both say the
// same: systemd writes its own idea into the files of its units whenever it
// sees fit. What systemd has no property for it leaves alone (hugetlb.*,
// memory.oom.group).
// Pure; thread safety: plain values.
// Source: systemd.resource-control(5), org.freedesktop.systemd1(5).

#ifndef GANTRY_RUNTIME_CGROUP_SYSTEMD_PROPERTIES_H_
#define GANTRY_RUNTIME_CGROUP_SYSTEMD_PROPERTIES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/cgroup/resources.h"

namespace gantry::cgroup::systemd {

// "No limit", and of a weight: none of its own.
inline constexpr uint64_t kInfinity = UINT64_MAX;

using DeviceValues = std::vector<std::pair<std::string, uint64_t>>;

// D-Bus types b, t, s, ay, au, a(st).
using Value = std::variant<bool, uint64_t, std::string, std::vector<uint8_t>,
                           std::vector<uint32_t>, DeviceValues>;

struct Property {
  std::string name;
  Value value;

  bool operator==(const Property&) const = default;
};

using Properties = std::vector<Property>;

// Whose limits they are.
enum class Holder {
  // A slice: its own.
  kSlice,
  // A scope around a container's cgroup: a little more than the container's,
  // for
  // the shim that is in the scope as well, so that it is always the container's
  // own limit that is met first.
  kScope,
};

// What a scope has above its container's limits.
inline constexpr uint64_t kShimMemory = 16 << 20;
inline constexpr uint64_t kShimTasks = 16;
// Microseconds of CPU time per second.
inline constexpr uint64_t kShimCpu = 100'000;
// Bytes and operations per second, each way.
inline constexpr uint64_t kShimIoBytes = 1 << 20;
inline constexpr uint64_t kShimIoOperations = 100;

// INVALID_ARGUMENT for values that can't be meant, as Manager::Apply. A quota
// of CPU time is given to the next percent above: systemd keeps no finer one.
absl::StatusOr<Properties> LimitProperties(const Resources& resources,
                                           Holder holder);

// What takes back a change from `before` to `after`: every property that either
// has, as it is in `before`, else in `in_effect`, else in a new unit. The
// kernel takes no empty set of CPUs or memory nodes back while a process is
// inside (write_plan.cc), and systemd does not tell: these have to be in
// `in_effect`.
Properties TakingBack(const Properties& before, const Properties& after,
                      const Properties& in_effect);

}  // namespace gantry::cgroup::systemd

#endif  // GANTRY_RUNTIME_CGROUP_SYSTEMD_PROPERTIES_H_
