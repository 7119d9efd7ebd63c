// Names of block devices by their numbers, for people: "/dev/sda1".

#ifndef GANTRY_SERVER_CORE_DEVICE_NAMES_H_
#define GANTRY_SERVER_CORE_DEVICE_NAMES_H_

#include <cstdint>
#include <string>

namespace gantry::core {

// As /sys knows it; "MAJOR:MINOR" of what is no block device of this host.
// Blocks for one system call. Thread safety: any thread.
std::string BlockDeviceName(uint32_t major, uint32_t minor);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_DEVICE_NAMES_H_
