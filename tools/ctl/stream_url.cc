#include "tools/ctl/stream_url.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tools/ctl/error_text.h"

namespace gantry::ctl {

absl::StatusOr<StreamUrl> ParseStreamUrl(absl::string_view url) {
  absl::string_view rest = url;
  if (absl::StartsWith(rest, "https://")) {
    return WithHint(
        absl::UnimplementedError(
            "the server streams over TLS, which gantryctl does not speak"),
        "use a client that does, such as crictl");
  }
  const absl::Status bad = absl::InvalidArgumentError(absl::StrCat(
      "the server answered a URL that cannot be used: \"", url, "\""));
  if (!absl::ConsumePrefix(&rest, "http://")) return bad;
  StreamUrl parsed;
  const size_t slash = rest.find('/');
  if (slash == absl::string_view::npos) return bad;
  parsed.authority = std::string(rest.substr(0, slash));
  parsed.path = std::string(rest.substr(slash));
  absl::string_view host = parsed.authority;
  const size_t colon = host.rfind(':');
  if (colon == absl::string_view::npos || colon + 1 == host.size()) return bad;
  parsed.port = std::string(host.substr(colon + 1));
  host = host.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) {
    return bad;
  }
  parsed.host = std::string(host);
  if (parsed.host.empty()) return bad;
  return parsed;
}

}  // namespace gantry::ctl
