// What a registry client is told by configuration and by the caller.
//
// Thread safety: values.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_OPTIONS_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "runtime/http/client.h"

namespace gantry::image {

// For the registry that a reference names; other hosts that stand in for it
// (mirrors) do not get them.
struct Credentials {
  std::string username;
  std::string password;
  // An OAuth2 refresh token, exchanged at the token server.
  std::string identity_token;
  std::string registry_token;  // a bearer token, sent as it is

  bool empty() const {
    return username.empty() && identity_token.empty() && registry_token.empty();
  }
};

struct RegistryOptions {
  // Folders of one folder per registry (registry_hosts.h); the first that has
  // one for a registry, or a "_default", counts.
  std::vector<std::string> config_paths;
  // Hosts ("host" or "host:port") that are spoken to by plain HTTP.
  std::set<std::string> insecure_hosts;
  // Hosts (as http::IsNamedHost has them) to which redirects and token servers
  // may lead though their addresses are private or of this machine.
  std::vector<std::string> internal_hosts;
  // For registries without settings of their own.
  http::TlsOptions tls;
  std::string proxy;
  std::vector<std::string> no_proxy;
  absl::Duration connect_timeout = absl::Seconds(15);
  absl::Duration stall_timeout = absl::Seconds(30);
  int64_t least_bytes_per_second = 1024;
  // After UNAVAILABLE, a stall, 408, 429 or 5xx; the waits double from
  // back_off. What stays without a MiB of new bytes this often fails.
  int max_attempts = 5;
  absl::Duration back_off = absl::Milliseconds(250);
  absl::Duration max_back_off = absl::Seconds(10);
  // So many connections fetch a blob of more than two ranges
  // (registry_ranges.h), if there is a RunAside. 1: one, without ranges.
  int parallel_ranges = 4;
  int64_t range_bytes = int64_t{8} << 20;
  // The clock and the waits between attempts; replaced in tests.
  std::function<absl::Time()> now = absl::Now;
  std::function<void(absl::Duration)> sleep = absl::SleepFor;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_OPTIONS_H_
