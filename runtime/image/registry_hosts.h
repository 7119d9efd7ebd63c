// Which hosts stand for a registry, and how each is spoken to: the form of
// certs.d that containerd's users have (containerd docs/hosts.md), and Docker's
// older one (docker/docs "Verify repository client with certificates").
//
// A folder per registry: "registry.example", or with a port
// "registry.example_5000_" or "registry.example:5000"; else "_default". In it
// hosts.toml, or without one *.crt (authorities) and *.cert with *.key (a
// client certificate).
// Otherwise than containerd: a mistake is an error and never passed over, http
// is spoken where the URL says http and nowhere else, and of several client
// certificates the first is used.
// Thread safety: values and pure functions. HostsOf blocks: it reads files.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_HOSTS_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_HOSTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/http/client.h"
#include "runtime/http/url.h"
#include "runtime/image/registry_options.h"

namespace gantry::image {

struct RegistryHost {
  // Its target is the root of the API: "/v2", "/mirror/v2"; without a '/' at
  // the end, and empty if override_path says so.
  http::Url root;
  // May be trusted with what a tag means; may be asked for what has a digest.
  bool may_resolve = true;
  bool may_pull = true;
  // It is the registry that the reference names, and not another in its place:
  // the user's credentials are meant for it.
  bool is_named = true;
  // A folder or a setting names it, wherever its address may be.
  bool is_configured = false;
  http::TlsOptions tls;
  // Sent to its origin only.
  http::Headers headers;
  absl::Duration connect_timeout;
  // What a host that stands in for another is told: the name of the registry.
  std::string name_space;

  // "/v2/library/busybox/manifests/latest?ns=docker.io"
  std::string Target(absl::string_view repository,
                     absl::string_view path) const;
};

// The hosts for a reference's domain in the order in which they are tried; the
// last is the registry itself or what the folder says instead.
// FAILED_PRECONDITION names file, line and key of a mistake.
absl::StatusOr<std::vector<RegistryHost>> HostsOf(
    absl::string_view domain, const RegistryOptions& options);

// The same of a hosts.toml in `folder`; the files it names are not read yet:
// their paths are in `authorities`, one list per host. INVALID_ARGUMENT if it
// is ill-formed.
struct ParsedHosts {
  std::vector<RegistryHost> hosts;
  std::vector<std::vector<std::string>> authorities;
};
absl::StatusOr<ParsedHosts> ParseHostsFile(absl::string_view text,
                                           absl::string_view folder,
                                           absl::string_view domain,
                                           const RegistryOptions& options);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_HOSTS_H_
