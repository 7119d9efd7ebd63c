// Where a registry may lead: the guard against answers that send this machine
// to itself, to its network or to its cloud's metadata service (server-side
// request forgery).
//
// A redirect or a token server on another host is followed as far out as the
// answer came from, never further in: from a public address to public ones
// only, from a private one also to private ones, from a loopback one anywhere.
// Link-local, metadata and multicast addresses are never gone to. Addresses are
// those that connections are made to, so that no name hides one.
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_REACH_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_REACH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/http/client.h"
#include "runtime/http/url.h"

namespace gantry::image {

// From outside in.
enum class Zone { kPublic, kPrivate, kLoopback, kForbidden };

// Of a numeric address, with or without brackets and scope; kForbidden if it is
// none.
Zone ZoneOf(absl::string_view address);

// PERMISSION_DENIED for kForbidden: what holds for a registry that nobody has
// configured.
absl::Status CheckRegistryAddress(absl::string_view address);

// Makes `next`, which goes to `to` because `from` said so, stay within reach;
// PERMISSION_DENIED if the URL itself tells that it does not. `internal_hosts`
// may lie anywhere.
absl::Status KeepWithinReach(const http::Response& from, const http::Url& to,
                             const std::vector<std::string>& internal_hosts,
                             http::Request* next);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_REACH_H_
