// Absolute http and https URLs, as far as a registry client needs them
// (RFC 3986, RFC 9110 section 4.2).
//
// Thread safety: values. Never blocks.

#ifndef GANTRY_RUNTIME_HTTP_URL_H_
#define GANTRY_RUNTIME_HTTP_URL_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::http {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address keeps its brackets
  int port = 0;        // never 0 after ParseUrl
  std::string target;  // path and query, begins with '/'

  // Same scheme, host and port: credentials may only go there.
  bool SameOrigin(const Url& other) const;
  // Without user information (never kept) and without the query, whose
  // signatures are credentials: the form for logs and errors.
  std::string ForErrors() const;
  std::string ToString() const;
};

// INVALID_ARGUMENT if `text` is not an absolute http(s) URL, holds user
// information, control bytes or spaces, or a port outside 1..65535.
absl::StatusOr<Url> ParseUrl(absl::string_view text);

// `location` (a Location header) as seen from `base`: absolute, "//host/path",
// "/path" or a relative path. Fragments are dropped.
absl::StatusOr<Url> ResolveUrl(const Url& base, absl::string_view location);

// localhost, 127.0.0.0/8 and ::1 by their names; nothing is looked up.
bool IsLoopbackHost(absl::string_view host);

// Whether `host` is one of `names`; ".example" in them stands for example and
// all below it.
bool IsNamedHost(absl::string_view host, const std::vector<std::string>& names);

}  // namespace gantry::http

#endif  // GANTRY_RUNTIME_HTTP_URL_H_
