// What plugins answer: the result of ADD, and errors.
//
// Source: the CNI specification, section 5; for versions before 1.0.0 those of
// the specification of the time. A plugin is a program of the administrator's,
// yet what it prints is checked: addresses, names, indexes. Paths in it
// (`sandbox`) are never opened.
// Thread safety: values and pure functions; never blocks.

#ifndef GANTRY_RUNTIME_NET_CNI_RESULT_H_
#define GANTRY_RUNTIME_NET_CNI_RESULT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/net/cni/names.h"
#include "runtime/net/ip.h"

namespace gantry::net::cni {

struct Result {
  // As prevResult of the next plugin: with a cniVersion, otherwise as it came.
  std::string json;
  // Of the pod's interface, those of IPv4 first, else in the plugin's order.
  std::vector<IpAddress> ips;
};

// `version` is what the plugin was asked for and counts where it says none;
// `what` names the text in errors; `interface` is the pod's. INVALID_ARGUMENT
// with the key that is wrong.
absl::StatusOr<Result> ParseResult(absl::string_view text, Version version,
                                   absl::string_view interface,
                                   absl::string_view what);

// Codes of section 5 that mean more than "it failed".
inline constexpr int kTryAgainLater = 11;
inline constexpr int kNotAvailable = 50;
inline constexpr int kLimitedConnectivity = 51;

struct PluginError {
  int code = 0;
  // Printable, of bounded length: "msg: details".
  std::string message;
};

// Nothing if `text` is no error of CNI's.
std::optional<PluginError> ParsePluginError(absl::string_view text);

}  // namespace gantry::net::cni

#endif  // GANTRY_RUNTIME_NET_CNI_RESULT_H_
