// The units of one server's pods and containers: made, limited, ended, found.
//
// Every step may be repeated, also by a server started anew: what an attempt
// that was cut short has left is taken over or ended first. A server knows its
// own by their description, which names its root directory.
// Thread safety: any thread, but one caller per unit at a time. Blocks for
// systemd: milliseconds, seconds while it reloads, and at most a minute.
// Errors: as Bus, but that UNAVAILABLE is tried again for twenty seconds.

#ifndef GANTRY_RUNTIME_CGROUP_SYSTEMD_UNITS_H_
#define GANTRY_RUNTIME_CGROUP_SYSTEMD_UNITS_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cgroup/systemd/bus.h"
#include "runtime/cgroup/systemd/properties.h"
#include "runtime/cgroup/systemd/unit_names.h"

namespace gantry::cgroup::systemd {

// A unit of this server's.
struct OwnUnit {
  std::string name;
  // Of the pod or container.
  std::string id;
};

class Units {
 public:
  // `owner`: the server's root directory.
  Units(std::unique_ptr<Bus> bus, std::string owner,
        std::chrono::milliseconds patience = std::chrono::seconds(20))
      : bus_(std::move(bus)), owner_(std::move(owner)), patience_(patience) {}

  // Systemd's version, as the sign that it answers. Not tried again.
  absl::StatusOr<std::string> Version() const { return bus_->Version(); }

  // The slice of the pod `id`. One that is there already is taken as it is.
  absl::Status MakeSlice(const Unit& unit, absl::string_view id) const;

  // The scope of the container `id`, delegated, with the process `pid` in it.
  // `has_process` tells whether that is in the scope's cgroup: a scope that is
  // there without it is of an earlier attempt, and is ended first.
  absl::Status MakeScope(const Unit& unit, absl::string_view id, pid_t pid,
                         const Properties& limits,
                         const std::function<bool()>& has_process) const;

  // A unit that there is not has no limits to change: NOT_FOUND.
  absl::Status SetLimits(const std::string& unit,
                         const Properties& limits) const;

  // Ends what is in it and makes systemd forget it; its cgroup goes. One that
  // there is not is OK.
  absl::Status Stop(const std::string& unit) const;

  // The same with those that would not heed systemd: SIGKILL at once.
  absl::Status End(const std::string& unit) const;

  // Those that systemd knows, of pods and containers alike.
  absl::StatusOr<std::vector<OwnUnit>> List() const;

 private:
  std::string Describe(absl::string_view kind, absl::string_view id) const;
  // Again while systemd cannot be asked, for as long as the patience lasts.
  absl::Status Persist(const std::function<absl::Status()>& ask) const;

  const std::unique_ptr<Bus> bus_;
  const std::string owner_;
  const std::chrono::milliseconds patience_;
};

}  // namespace gantry::cgroup::systemd

#endif  // GANTRY_RUNTIME_CGROUP_SYSTEMD_UNITS_H_
