// What the planner has to know about this host.
//
// Thread safety: HostFacts is a value, immutable once read; a DeviceLookup is
// safe to use from several threads.

#ifndef GANTRY_RUNTIME_PLAN_HOST_FACTS_H_
#define GANTRY_RUNTIME_PLAN_HOST_FACTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/plan.pb.h"

namespace gantry::plan {

// The device nodes of the host. Asked when a container is planned, not before:
// devices come and go.
class DeviceLookup {
 public:
  virtual ~DeviceLookup() = default;
  // The node at an absolute path; symlinks are followed. NOT_FOUND if there is
  // nothing, INVALID_ARGUMENT if it is no device.
  virtual absl::StatusOr<DeviceNode> Find(absl::string_view path) const = 0;
  // Every device below /dev but for terminals (/dev/pts, /dev/console) and the
  // file systems that a container gets of its own (shm, mqueue).
  virtual absl::StatusOr<std::vector<DeviceNode>> All() const = 0;
};

struct HostFacts {
  // As the server detected them (runtime/cgroup); not read here.
  std::vector<CgroupHierarchy> hierarchies;
  // Bit n: this process may hand on capability n.
  uint64_t capabilities = 0;
  // Highest capability the kernel knows.
  int last_capability = 0;
  // Not null.
  std::shared_ptr<const DeviceLookup> devices;
};

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_HOST_FACTS_H_
