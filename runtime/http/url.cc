#include "runtime/http/url.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"

namespace gantry::http {
namespace {

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("URL: ", why));
}

bool IsHostByte(char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
}

absl::Status CheckHost(absl::string_view host) {
  if (host.empty()) return Bad("no host");
  if (host.front() == '[') {
    if (host.back() != ']' || host.size() < 4) return Bad("bad IPv6 host");
    for (char c : host.substr(1, host.size() - 2)) {
      if (!absl::ascii_isxdigit(c) && c != ':' && c != '.') {
        return Bad("bad IPv6 host");
      }
    }
    return absl::OkStatus();
  }
  for (char c : host) {
    if (!IsHostByte(c)) return Bad("bad byte in the host");
  }
  return absl::OkStatus();
}

absl::Status ParseAuthority(absl::string_view authority, Url* url) {
  if (absl::StrContains(authority, '@')) {
    return Bad("user information is not allowed");
  }
  absl::string_view host = authority;
  absl::string_view port;
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  if (colon != absl::string_view::npos &&
      (bracket == absl::string_view::npos || colon > bracket)) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  RETURN_IF_ERROR(CheckHost(host));
  url->host = absl::AsciiStrToLower(host);
  url->port = url->scheme == "https" ? 443 : 80;
  if (port.data() != nullptr && colon != absl::string_view::npos &&
      host.size() != authority.size()) {
    if (port.empty() || port.size() > 5 ||
        !std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ||
        !absl::SimpleAtoi(port, &url->port) || url->port < 1 ||
        url->port > 65535) {
      return Bad("bad port");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  for (unsigned char c : text) {
    if (c <= ' ' || c == 0x7f) return Bad("control byte or space");
  }
  Url url;
  absl::string_view rest;
  const size_t colon = text.find("://");
  if (colon == absl::string_view::npos) return Bad("not absolute");
  url.scheme = absl::AsciiStrToLower(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return Bad("the scheme is neither http nor https");
  }
  rest = text.substr(colon + 3);
  const size_t end = rest.find_first_of("/?#");
  RETURN_IF_ERROR(ParseAuthority(rest.substr(0, end), &url));
  absl::string_view target =
      end == absl::string_view::npos ? absl::string_view() : rest.substr(end);
  target = target.substr(0, target.find('#'));
  url.target = absl::StrCat(absl::StartsWith(target, "/") ? "" : "/", target);
  return url;
}

absl::StatusOr<Url> ResolveUrl(const Url& base, absl::string_view location) {
  const size_t scheme = location.find("://");
  const size_t delimiter = location.find_first_of("/?#");
  if (scheme != absl::string_view::npos &&
      (delimiter == absl::string_view::npos || scheme < delimiter)) {
    return ParseUrl(location);
  }
  const std::string authority = absl::StrCat(base.host, ":", base.port);
  if (absl::StartsWith(location, "//")) {
    return ParseUrl(absl::StrCat(base.scheme, ":", location));
  }
  const std::string origin = absl::StrCat(base.scheme, "://", authority);
  if (absl::StartsWith(location, "/")) {
    return ParseUrl(absl::StrCat(origin, location));
  }
  absl::string_view path = base.target;
  path = path.substr(0, path.find('?'));
  if (!absl::StartsWith(location, "?")) {
    path = path.substr(0, path.rfind('/') + 1);
  }
  return ParseUrl(absl::StrCat(origin, path, location));
}

bool Url::SameOrigin(const Url& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

std::string Url::ToString() const {
  const int usual = scheme == "https" ? 443 : 80;
  const std::string suffix = port == usual ? "" : absl::StrCat(":", port);
  return absl::StrCat(scheme, "://", host, suffix, target);
}

std::string Url::ForErrors() const {
  Url bare = *this;
  bare.target = target.substr(0, target.find('?'));
  return bare.ToString();
}

bool IsLoopbackHost(absl::string_view host) {
  if (host == "localhost" || host == "[::1]" || host == "::1") return true;
  std::vector<absl::string_view> parts = absl::StrSplit(host, '.');
  if (parts.size() != 4 || parts[0] != "127") return false;
  for (absl::string_view part : parts) {
    int number = 0;
    if (part.empty() || part.size() > 3 || !absl::SimpleAtoi(part, &number) ||
        number < 0 || number > 255) {
      return false;
    }
  }
  return true;
}

bool IsNamedHost(absl::string_view host,
                 const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](absl::string_view name) {
    if (!absl::StartsWith(name, ".")) {
      return absl::EqualsIgnoreCase(host, name);
    }
    return absl::EndsWithIgnoreCase(host, name) ||
           absl::EqualsIgnoreCase(host, name.substr(1));
  });
}

}  // namespace gantry::http
