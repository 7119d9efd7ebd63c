// What registries and those who name them may write: the first byte says what
// the rest is. 0: a WWW-Authenticate header; 1: an image reference; 2: a
// hosts.toml; 3: headers that say when to come again; 4: an address.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/http/client.h"
#include "runtime/http/url.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_auth.h"
#include "runtime/image/registry_failures.h"
#include "runtime/image/registry_hosts.h"
#include "runtime/image/registry_options.h"
#include "runtime/image/registry_reach.h"

namespace gantry::image {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

void FeedChallenge(absl::string_view input) {
  const std::vector<Challenge> challenges = ParseChallenges(input);
  Expect(challenges.size() <= 8);
  for (const Challenge& challenge : challenges) {
    Expect(!challenge.scheme.empty() && challenge.parameters.size() <= 16);
    for (const auto& [key, value] : challenge.parameters) {
      Expect(value.size() <= input.size());
      for (char c : QueryEscape(value)) {
        Expect(c > ' ' && c < 0x7f && c != '&' && c != '=' && c != '#');
      }
      http::ParseUrl(value).status().IgnoreError();
    }
  }
}

void FeedReference(absl::string_view input) {
  absl::StatusOr<Reference> ref = ParseReference(input);
  if (!ref.ok()) return;
  // What is written out means the same, and is one folder and one URL.
  absl::StatusOr<Reference> again = ParseReference(ref->ToString());
  Expect(again.ok() && again->ToString() == ref->ToString());
  Expect(!absl::StrContains(ref->domain, '/') && ref->domain != "." &&
         ref->domain != "..");
  Expect(!absl::StrContains(absl::StrCat("/", ref->path, "/"), "/../"));
  Expect(http::ParseUrl("https://" + ref->domain + "/v2/" + ref->path).ok());
}

void FeedHosts(absl::string_view input) {
  absl::StatusOr<ParsedHosts> parsed =
      ParseHostsFile(input, "/certs.d/r.example", "r.example", {});
  if (!parsed.ok()) {
    Expect(absl::StartsWith(parsed.status().message(),
                            "/certs.d/r.example/hosts.toml:"));
    return;
  }
  Expect(!parsed->hosts.empty() &&
         parsed->hosts.size() == parsed->authorities.size());
  for (const RegistryHost& host : parsed->hosts) {
    Expect(host.root.scheme == "http" || host.root.scheme == "https");
    Expect(!absl::EndsWith(host.root.target, "/"));
    // Credentials go to the registry's own host alone.
    Expect(!host.is_named || host.root.host == "r.example");
    http::Url url = host.root;
    url.target = host.Target("a/b", "manifests/latest");
    Expect(http::ParseUrl(url.ToString()).ok());
    for (const auto& [name, value] : host.headers.all()) {
      Expect(value.find_first_of("\r\n") == std::string::npos);
      Expect(name.find_first_of(" :\r\n") == std::string::npos);
    }
  }
}

void FeedRetryAfter(absl::string_view input) {
  http::Headers headers;
  const size_t line = input.find('\n');
  headers.Add("Retry-After", input.substr(0, line));
  if (line != absl::string_view::npos) {
    headers.Add("Date", input.substr(line + 1));
  }
  const absl::Duration wait = RetryAfter(headers, absl::UnixEpoch());
  Expect(wait >= absl::ZeroDuration() && wait <= absl::Minutes(1));
}

void FeedAddress(absl::string_view input) {
  const Zone zone = ZoneOf(input);
  Expect(CheckRegistryAddress(input).ok() == (zone != Zone::kForbidden));
}

}  // namespace
}  // namespace gantry::image

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1,
                                size - 1);
  using Feed = void (*)(absl::string_view);
  static constexpr Feed kFeeds[] = {
      gantry::image::FeedChallenge, gantry::image::FeedReference,
      gantry::image::FeedHosts, gantry::image::FeedRetryAfter,
      gantry::image::FeedAddress};
  kFeeds[data[0] % std::size(kFeeds)](input);
  return 0;
}
