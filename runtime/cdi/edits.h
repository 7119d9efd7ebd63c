// What a CDI specification wants done to a container.
//
// Plain data. Fields as in SPEC.md, "containerEdits".

#ifndef GANTRY_RUNTIME_CDI_EDITS_H_
#define GANTRY_RUNTIME_CDI_EDITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gantry::cdi {

struct DeviceNode {
  std::string path;       // in the container
  std::string host_path;  // empty: the same
  std::string type;       // "b", "c", "u" or "p"; empty: the host's node tells
  std::optional<int64_t> major;
  std::optional<int64_t> minor;
  std::optional<uint32_t> file_mode;
  std::string permissions;  // of "rwm"; empty: all
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

struct Mount {
  std::string host_path;
  std::string container_path;
  std::string type;  // empty: a bind
  std::vector<std::string> options;
};

struct Edits {
  std::vector<std::string> env;  // "NAME=value"
  std::vector<DeviceNode> device_nodes;
  std::vector<Mount> mounts;
  std::vector<uint32_t> additional_gids;
  // The first thing wanted that this runtime does not do, for the error of who
  // asks for the device ("hooks[0] (createContainer, /usr/bin/x)"); or empty.
  std::string unsupported;
};

}  // namespace gantry::cdi

#endif  // GANTRY_RUNTIME_CDI_EDITS_H_
