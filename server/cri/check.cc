#include "server/cri/check.h"

#include <limits.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"

namespace gantry::cri {
namespace {

// What of a value is shown in an error.
constexpr size_t kShownBytes = 128;
// A DNS subdomain, which is what Kubernetes' names are.
constexpr size_t kMaxNameBytes = 253;

std::string Shown(absl::string_view value) {
  std::string shown = absl::Utf8SafeCHexEscape(value.substr(0, kShownBytes));
  return value.size() > kShownBytes ? shown + "..." : shown;
}

}  // namespace

absl::Status BadField(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status BadValue(absl::string_view field, absl::string_view expected,
                      absl::string_view value) {
  return BadField(field, absl::StrCat("expected ", expected, ", found \"",
                                      Shown(value), "\""));
}

absl::Status NotBuilt(absl::string_view field, absl::string_view what) {
  return absl::UnimplementedError(
      absl::StrCat(field, ": ", what, " is not supported yet"));
}

std::string At(absl::string_view list, int index) {
  return absl::StrCat(list, "[", index, "]");
}

absl::Status CheckNoNul(absl::string_view field, absl::string_view value) {
  if (value.find('\0') == absl::string_view::npos) return absl::OkStatus();
  return BadValue(field, "a text without zero bytes", value);
}

absl::Status CheckName(absl::string_view field, absl::string_view value) {
  if (value.empty()) return BadField(field, "is empty");
  return CheckOptionalName(field, value);
}

absl::Status CheckOptionalName(absl::string_view field,
                               absl::string_view value) {
  if (value.size() > kMaxNameBytes) {
    return BadField(field,
                    absl::StrCat("has ", value.size(), " bytes, at most ",
                                 kMaxNameBytes, " are allowed"));
  }
  if (value == "." || value == "..") {
    return BadValue(field, "a name", value);
  }
  for (char c : value) {
    if (c == '/' || absl::ascii_iscntrl(c)) {
      return BadValue(field, "a name without '/' and control characters",
                      value);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAbsolutePath(absl::string_view field,
                               absl::string_view value) {
  if (value.empty() || value[0] != '/') {
    return BadValue(field, "an absolute path", value);
  }
  if (value.size() >= PATH_MAX) {
    return BadField(
        field, absl::StrCat("path of ", value.size(), " bytes is too long"));
  }
  return CheckNoNul(field, value);
}

absl::Status CheckPlainAbsolutePath(absl::string_view field,
                                    absl::string_view value) {
  RETURN_IF_ERROR(CheckAbsolutePath(field, value));
  for (absl::string_view part : absl::StrSplit(value, '/')) {
    if (part == "..") return BadValue(field, "a path without \"..\"", value);
  }
  return absl::OkStatus();
}

absl::Status CheckPlainRelativePath(absl::string_view field,
                                    absl::string_view value) {
  if (value.size() >= PATH_MAX) {
    return BadField(
        field, absl::StrCat("path of ", value.size(), " bytes is too long"));
  }
  for (absl::string_view part : absl::StrSplit(value, '/')) {
    if (part.empty() || part == "." || part == "..") {
      return BadValue(field, "a relative path that stays below", value);
    }
  }
  return CheckNoNul(field, value);
}

absl::Status CheckId(absl::string_view field, int64_t value) {
  return CheckRange(field, value, 0, INT_MAX);
}

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least,
                        int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return BadField(
      field, absl::StrCat("expected ", least, " to ", most, ", found ", value));
}

}  // namespace gantry::cri
