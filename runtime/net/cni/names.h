// The words of CNI that come from outside: versions, names of plugins and of
// networks, names of interfaces.
//
// Source: the CNI specification, sections 1 and 2
// (github.com/containernetworking/cni, SPEC.md). Pure functions.

#ifndef GANTRY_RUNTIME_NET_CNI_NAMES_H_
#define GANTRY_RUNTIME_NET_CNI_NAMES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::net::cni {

// A version of the specification that this runtime speaks.
struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;

  std::string ToString() const;
  auto operator<=>(const Version&) const = default;
};

inline constexpr Version kVersion020 = {0, 2, 0};
inline constexpr Version kVersion030 = {0, 3, 0};
// From which on DEL is told the result of ADD, and there is CHECK.
inline constexpr Version kVersion040 = {0, 4, 0};
inline constexpr Version kVersion100 = {1, 0, 0};
// From which on there are GC and STATUS.
inline constexpr Version kVersion110 = {1, 1, 0};

// "1.1.0". INVALID_ARGUMENT if it is none that is spoken here.
absl::StatusOr<Version> ParseVersion(absl::string_view text);

// A plugin's `type`: the name of a file in one of the plugins' directories,
// never a path.
absl::Status CheckPluginType(absl::string_view type);

// Letters, digits, '_', '.', '-', the first one a letter or digit.
absl::Status CheckNetworkName(absl::string_view name);

// As the kernel takes it (dev_valid_name).
absl::Status CheckInterfaceName(absl::string_view name);

// What others wrote, for a line of an error: printable, on one line, at most
// `max_bytes` of it.
std::string Printable(absl::string_view text, size_t max_bytes = 1024);

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_NAMES_H_
