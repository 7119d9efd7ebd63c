#include "runtime/image/reference.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"

namespace gantry::image {
namespace {

constexpr absl::string_view kDefaultDomain = "docker.io";
constexpr absl::string_view kDefaultRepository = "library/";
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTagBytes = 128;
// The shortest beginning of an id that is looked for (ImageStore::Resolve).
constexpr size_t kMinIdBytes = 7;

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(why);
}

bool IsLowerOrDigit(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c);
}

// A separator inside a path component: "." or "_" or "__" or any number of "-".
bool IsSeparator(absl::string_view run) {
  return run == "." || run == "_" || run == "__" ||
         run.find_first_not_of('-') == absl::string_view::npos;
}

absl::Status CheckPathComponent(absl::string_view component) {
  if (component.empty()) return Bad("an empty part in the repository's path");
  if (!IsLowerOrDigit(component.front()) || !IsLowerOrDigit(component.back())) {
    return Bad(
        "a part of the repository's path must begin and end with a lower-case "
        "letter or a digit");
  }
  for (size_t i = 0; i < component.size();) {
    if (IsLowerOrDigit(component[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < component.size() && !IsLowerOrDigit(component[end])) ++end;
    const absl::string_view run = component.substr(i, end - i);
    if (std::any_of(run.begin(), run.end(), absl::ascii_isupper)) {
      return Bad("upper-case letters in the repository's path");
    }
    if (!IsSeparator(run)) return Bad("bad byte in the repository's path");
    i = end;
  }
  return absl::OkStatus();
}

absl::Status CheckPort(absl::string_view port) {
  int number = 0;
  if (port.empty() || port.size() > 5 ||
      !std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(port, &number) || number < 1 || number > 65535) {
    return Bad("bad port of the registry");
  }
  return absl::OkStatus();
}

absl::Status CheckIpv6(absl::string_view host) {
  if (host.size() < 4 || host.back() != ']') {
    return Bad("bad IPv6 address of the registry");
  }
  for (char c : host.substr(1, host.size() - 2)) {
    if (!absl::ascii_isxdigit(c) && c != ':') {
      return Bad("bad IPv6 address of the registry");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDomain(absl::string_view domain) {
  absl::string_view host = domain;
  const size_t colon = domain.rfind(':');
  const size_t bracket = domain.rfind(']');
  if (colon != absl::string_view::npos &&
      (bracket == absl::string_view::npos || colon > bracket)) {
    RETURN_IF_ERROR(CheckPort(domain.substr(colon + 1)));
    host = domain.substr(0, colon);
  }
  if (absl::StartsWith(host, "[")) return CheckIpv6(host);
  for (absl::string_view label : absl::StrSplit(host, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-') {
      return Bad("bad name of the registry");
    }
    for (char c : label) {
      if (!absl::ascii_isalnum(c) && c != '-') {
        return Bad("bad byte in the name of the registry");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTag(absl::string_view tag) {
  if (tag.empty()) return Bad("an empty tag");
  if (tag.size() > kMaxTagBytes) return Bad("a tag of more than 128 bytes");
  for (size_t i = 0; i < tag.size(); ++i) {
    const char c = tag[i];
    const bool word = absl::ascii_isalnum(c) || c == '_';
    if (!word && (i == 0 || (c != '.' && c != '-'))) return Bad("bad tag");
  }
  return absl::OkStatus();
}

// The first part names a registry if it could not be part of a path.
bool IsDomain(absl::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != part.npos ||
         std::any_of(part.begin(), part.end(), absl::ascii_isupper);
}

absl::Status ParseInto(absl::string_view text, Reference* ref) {
  if (text.empty()) return Bad("it is empty");
  absl::string_view name = text;
  if (const size_t at = text.find('@'); at != absl::string_view::npos) {
    ASSIGN_OR_RETURN(Digest digest, Digest::Parse(text.substr(at + 1)));
    ref->digest = std::move(digest);
    name = text.substr(0, at);
  }
  const size_t colon = name.rfind(':');
  const size_t last_slash = name.rfind('/');
  if (colon != absl::string_view::npos &&
      (last_slash == absl::string_view::npos || colon > last_slash)) {
    RETURN_IF_ERROR(CheckTag(name.substr(colon + 1)));
    ref->tag = std::string(name.substr(colon + 1));
    name = name.substr(0, colon);
  } else if (!ref->digest) {
    ref->tag = "latest";
  }
  const size_t slash = name.find('/');
  if (slash != absl::string_view::npos && IsDomain(name.substr(0, slash))) {
    ref->domain = std::string(name.substr(0, slash));
    name = name.substr(slash + 1);
  } else {
    ref->domain = std::string(kDefaultDomain);
  }
  RETURN_IF_ERROR(CheckDomain(ref->domain));
  // Docker's older name of the same registry.
  if (ref->domain == "index.docker.io") ref->domain = "docker.io";
  for (absl::string_view part : absl::StrSplit(name, '/')) {
    RETURN_IF_ERROR(CheckPathComponent(part));
  }
  const bool official =
      ref->domain == kDefaultDomain && !absl::StrContains(name, '/');
  ref->path = absl::StrCat(official ? kDefaultRepository : "", name);
  if (ref->Name().size() > kMaxNameBytes) {
    return Bad("registry and path are longer than 255 bytes");
  }
  return absl::OkStatus();
}

bool IsBareId(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string Reference::Name() const { return absl::StrCat(domain, "/", path); }

std::string Reference::Tagged() const {
  return tag.empty() ? "" : absl::StrCat(Name(), ":", tag);
}

std::string Reference::Digested() const {
  return digest ? absl::StrCat(Name(), "@", digest->ToString()) : "";
}

std::string Reference::ToString() const {
  return absl::StrCat(Name(), tag.empty() ? "" : ":", tag, digest ? "@" : "",
                      digest ? digest->ToString() : "");
}

std::string Qualify(absl::string_view text, const ShortNames& names) {
  const std::string unchanged(text);
  const size_t at = std::min(text.find('@'), text.size());
  const size_t last_slash = text.substr(0, at).rfind('/');
  size_t end = text.substr(0, at).rfind(':');
  if (end == absl::string_view::npos ||
      (last_slash != absl::string_view::npos && end < last_slash)) {
    end = at;
  }
  const absl::string_view name = text.substr(0, end);
  const absl::string_view rest = text.substr(end);
  const size_t slash = name.find('/');
  if (slash != absl::string_view::npos && IsDomain(name.substr(0, slash))) {
    return unchanged;
  }
  if (auto alias = names.aliases.find(std::string(name));
      alias != names.aliases.end()) {
    return absl::StrCat(alias->second, rest);
  }
  const bool is_id = name == "sha256" || (name.size() >= kMinIdBytes &&
                                          std::all_of(name.begin(), name.end(),
                                                      absl::ascii_isxdigit));
  if (name.empty() || is_id || names.registry == kDefaultDomain) {
    return unchanged;
  }
  return absl::StrCat(names.registry, "/", text);
}

absl::StatusOr<Reference> ParseReference(absl::string_view text) {
  Reference ref;
  // 64 hex digits could be meant as an id; a repository must not look like one.
  absl::Status status =
      IsBareId(text) ? Bad("it is an image id") : ParseInto(text, &ref);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "image reference \"", absl::CHexEscape(text.substr(0, 300)),
        "\": ", status.message()));
  }
  return ref;
}

}  // namespace gantry::image
