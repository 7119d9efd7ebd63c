// What `gantry-shim pin` is to make, as arguments of a command line.
//
// The server builds them, the shim reads them. Thread safety: pure.

#ifndef GANTRY_SHIM_PIN_PIN_ARGS_H_
#define GANTRY_SHIM_PIN_PIN_ARGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace gantry::shim {

// As a line of /proc/PID/uid_map (user_namespaces(7)).
struct IdRange {
  uint32_t inside = 0;
  uint32_t outside = 0;
  uint32_t length = 0;

  bool operator==(const IdRange&) const = default;
};

struct UserNamespace {
  IdRange uids;
  IdRange gids;

  bool operator==(const UserNamespace&) const = default;
};

struct PinRequest {
  // Made ahead: whose it is, and the host name, come later (PinMode). Only
  // without a user namespace.
  bool ahead = false;
  // Each is pinned on a file of that name in the pod's run directory.
  bool net = false;
  bool ipc = false;
  bool uts = false;
  // Owns the other namespaces made; pinned on the file `user`.
  std::optional<UserNamespace> user;
  // Empty: stays the host's. Only with uts.
  std::string hostname;
  // Bytes of the tmpfs on the directory `shm`; 0: none.
  uint64_t shm_size = 0;
  // SELinux label of all in that tmpfs; empty: the policy's for a tmpfs.
  std::string shm_context;
  // Path below /proc/sys with slashes -> value, for the namespaces made.
  std::vector<std::pair<std::string, std::string>> sysctls;

  bool operator==(const PinRequest&) const = default;
};

// Names of the files and the directory.
inline constexpr char kPinnedNet[] = "net";
inline constexpr char kPinnedIpc[] = "ipc";
inline constexpr char kPinnedUts[] = "uts";
inline constexpr char kPinnedUser[] = "user";
inline constexpr char kPinnedShm[] = "shm";

// The whole argv, the program's name first.
std::vector<std::string> PinArguments(const PinRequest& request);

// Of the arguments behind "pin". INVALID_ARGUMENT, naming the argument, for one
// that is unknown or would change the host: a host name without a UTS
// namespace, a sysctl that is not of a namespace being made.
absl::StatusOr<PinRequest> ParsePinArguments(
    const std::vector<std::string>& arguments);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_PIN_PIN_ARGS_H_
