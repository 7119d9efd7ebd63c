#include "runtime/net/cni/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::net::cni {
namespace {

constexpr Version kSpoken[] = {{0, 1, 0}, {0, 2, 0}, {0, 3, 0}, {0, 3, 1},
                               {0, 4, 0}, {1, 0, 0}, {1, 1, 0}};
// NAME_MAX, and IFNAMSIZ less its zero byte.
constexpr size_t kMaxFileName = 255;
constexpr size_t kMaxInterfaceName = 15;

absl::Status Bad(absl::string_view what, absl::string_view text,
                 absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " \"", Printable(text, 64), "\" ", why));
}

}  // namespace

std::string Version::ToString() const {
  return absl::StrCat(major, ".", minor, ".", patch);
}

absl::StatusOr<Version> ParseVersion(absl::string_view text) {
  for (const Version& version : kSpoken) {
    if (version.ToString() == text) return version;
  }
  return Bad("CNI version", text, "is none of 0.1.0 to 1.1.0");
}

absl::Status CheckPluginType(absl::string_view type) {
  if (type.empty() || type.size() > kMaxFileName || type == "." ||
      type == "..") {
    return Bad("plugin type", type, "is no name of a program");
  }
  for (char c : type) {
    if (c == '/' || c == '\\' || !absl::ascii_isprint(c)) {
      return Bad("plugin type", type,
                 "is not the bare name of a program in a plugin directory");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNetworkName(absl::string_view name) {
  const bool known = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
  });
  if (name.empty() || name.size() > kMaxFileName || !known ||
      !absl::ascii_isalnum(name.front())) {
    return Bad("network name", name,
               "is not of letters, digits, '_', '.' and '-', the first one a "
               "letter or digit");
  }
  return absl::OkStatus();
}

absl::Status CheckInterfaceName(absl::string_view name) {
  bool bad = name.empty() || name.size() > kMaxInterfaceName || name == "." ||
             name == "..";
  for (unsigned char c : name) {
    bad |= c == '/' || c == ':' || absl::ascii_isspace(c) || c < ' ';
  }
  if (bad) return Bad("interface name", name, "is none that Linux takes");
  return absl::OkStatus();
}

std::string Printable(absl::string_view text, size_t max_bytes) {
  std::string out;
  for (unsigned char c : absl::StripAsciiWhitespace(text)) {
    if (out.size() >= max_bytes) {
      out += "...";
      break;
    }
    out += absl::ascii_isprint(c) ? static_cast<char>(c)
                                  : (absl::ascii_isspace(c) ? ' ' : '?');
  }
  return out;
}

}  // namespace gantry::net::cni
