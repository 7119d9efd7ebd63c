#include "runtime/cdi/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/cdi/spec.h"

namespace gantry::cdi {
namespace {

// Letters, digits and `others`, the last one a letter or digit.
bool IsWord(absl::string_view word, absl::string_view others) {
  return !word.empty() && absl::ascii_isalnum(word.back()) &&
         std::all_of(word.begin(), word.end(), [others](char c) {
           return absl::ascii_isalnum(c) ||
                  others.find(c) != absl::string_view::npos;
         });
}

}  // namespace

bool IsKind(absl::string_view kind) {
  const size_t slash = kind.find('/');
  if (slash == absl::string_view::npos) return false;
  const absl::string_view vendor = kind.substr(0, slash);
  const absl::string_view klass = kind.substr(slash + 1);
  return IsWord(vendor, "_-.") && absl::ascii_isalpha(vendor[0]) &&
         IsWord(klass, "_-.") && absl::ascii_isalpha(klass[0]);
}

bool IsDeviceName(absl::string_view name) {
  return IsWord(name, "_-.:") && absl::ascii_isalnum(name[0]);
}

absl::StatusOr<QualifiedName> ParseQualifiedName(absl::string_view name) {
  const size_t equals = name.find('=');
  if (equals != absl::string_view::npos && IsKind(name.substr(0, equals)) &&
      IsDeviceName(name.substr(equals + 1))) {
    return QualifiedName{std::string(name.substr(0, equals)),
                         std::string(name.substr(equals + 1))};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", name, "\" is no qualified device name (vendor/class=name)"));
}

}  // namespace gantry::cdi
