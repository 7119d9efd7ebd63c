// The WWW-Authenticate header (RFC 9110 section 11.6.1) as registries send it.
//
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_AUTH_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_AUTH_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry::image {

struct Challenge {
  std::string scheme;  // lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // keys in lower case
};

// The challenges of one header, which may hold several. What cannot be read is
// left out. At most 8 challenges of 16 parameters.
std::vector<Challenge> ParseChallenges(absl::string_view header);

// `text` as a part of a query: everything but unreserved bytes as %XX.
std::string QueryEscape(absl::string_view text);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_AUTH_H_
