// Bus by libsystemd, on the system bus.
//
// A connection for each call: none is kept that systemd or the bus could have
// lost meanwhile (daemon-reexec, a restart of the bus), and calls do not wait
// for one another. Where no bus answers, systemd's own socket does.
// Thread safety, blocking, errors: as Bus.
// Source: sd-bus(3), org.freedesktop.systemd1(5).

#ifndef GANTRY_RUNTIME_CGROUP_SYSTEMD_SD_BUS_H_
#define GANTRY_RUNTIME_CGROUP_SYSTEMD_SD_BUS_H_

#include <memory>

#include "runtime/cgroup/systemd/bus.h"

namespace gantry::cgroup::systemd {

// Touches nothing yet.
std::unique_ptr<Bus> NewSystemBus();

}  // namespace gantry::cgroup::systemd

#endif  // GANTRY_RUNTIME_CGROUP_SYSTEMD_SD_BUS_H_
