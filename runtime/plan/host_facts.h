// What the planner has to know about this host.
//
// Thread safety: HostFacts is a value, immutable once read; a DeviceLookup is
// safe to use from several threads.

#ifndef GANTRY_RUNTIME_PLAN_HOST_FACTS_H_
#define GANTRY_RUNTIME_PLAN_HOST_FACTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/plan.pb.h"
#include "runtime/plan/kernel_version.h"

namespace gantry::plan {

// The device nodes of the host. Asked when a container is planned, not before:
// devices come and go.
class DeviceLookup {
 public:
  virtual ~DeviceLookup() = default;
  // The node at a clean absolute path (paths.h), or every device below the
  // directory there (what All leaves out excepted), by their paths as found
  // from `path`; symlinks on the way to it are followed, those below it are
  // not. NOT_FOUND if there is nothing, INVALID_ARGUMENT if it is neither.
  virtual absl::StatusOr<std::vector<DeviceNode>> Find(
      absl::string_view path) const = 0;
  // Every device below /dev but for terminals (/dev/pts, /dev/console) and the
  // file systems that a container gets of its own (shm, mqueue).
  virtual absl::StatusOr<std::vector<DeviceNode>> All() const = 0;
};

// SELinux labels of the policy, "user:role:type:level": of containers, of their
// files, and of the image layers that lie below those (empty: it has none).
struct SelinuxContexts {
  std::string process;
  std::string file;
  std::string layer;
};

struct HostFacts {
  // As the server detected them (runtime/cgroup); not read here.
  std::vector<CgroupHierarchy> hierarchies;
  // Bit n: this process may hand on capability n.
  uint64_t capabilities = 0;
  // Highest capability the kernel knows.
  int last_capability = 0;
  KernelVersion kernel;
  // Absent: no SELinux, or none for containers (selinux.h).
  std::optional<SelinuxContexts> selinux;
  // Not null.
  std::shared_ptr<const DeviceLookup> devices;
};

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_HOST_FACTS_H_
