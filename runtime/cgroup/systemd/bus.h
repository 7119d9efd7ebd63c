// What is asked of systemd, as an interface: the seam at which tests put a
// fake.
//
// Every call blocks until systemd has done what it was asked for, at most for
// half a minute. Thread safety: any thread, several at once.
// Errors: UNAVAILABLE if systemd could not be asked or its answer was lost (it
// executes itself anew, say): nobody knows then whether it was done. Otherwise
// NOT_FOUND for a unit that there is not, ALREADY_EXISTS for one that is in the
// way, INVALID_ARGUMENT for a value that systemd refuses, DEADLINE_EXCEEDED,
// PERMISSION_DENIED; INTERNAL for a job that failed.
// Source: org.freedesktop.systemd1(5).

#ifndef GANTRY_RUNTIME_CGROUP_SYSTEMD_BUS_H_
#define GANTRY_RUNTIME_CGROUP_SYSTEMD_BUS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/cgroup/systemd/properties.h"

namespace gantry::cgroup::systemd {

struct ListedUnit {
  std::string name;
  std::string description;
};

class Bus {
 public:
  virtual ~Bus() = default;

  // Makes and starts a unit that has no file.
  virtual absl::Status StartTransient(const std::string& unit,
                                      const Properties& properties) = 0;
  virtual absl::Status Stop(const std::string& unit) = 0;
  // SIGKILL to every process in it. Does not wait.
  virtual absl::Status Kill(const std::string& unit) = 0;
  // Changes properties until the unit ends or the machine does.
  virtual absl::Status SetProperties(const std::string& unit,
                                     const Properties& properties) = 0;
  // Units that are loaded, by patterns of their names as of fnmatch(3).
  virtual absl::StatusOr<std::vector<ListedUnit>> List(
      const std::vector<std::string>& patterns) = 0;
  // "252.38-1~deb12u1".
  virtual absl::StatusOr<std::string> Version() = 0;
};

}  // namespace gantry::cgroup::systemd

#endif  // GANTRY_RUNTIME_CGROUP_SYSTEMD_BUS_H_
