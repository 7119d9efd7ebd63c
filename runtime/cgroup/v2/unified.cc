#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/cgroup/v2/controllers.h"

namespace gantry::cgroup::v2 {

namespace {

// "8:0 rbps=max" for "8:0 rbps=1024": what undoes a line of a file that has one
// per device. Empty if `line` isn't of that form.
std::string ResetOf(absl::string_view line) {
  if (line.find('=') == absl::string_view::npos) return "";
  std::string reset;
  for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    const size_t equals = word.find('=');
    if (!reset.empty()) reset += ' ';
    if (equals == absl::string_view::npos) {
      absl::StrAppend(&reset, word);
    } else {
      absl::StrAppend(&reset, word.substr(0, equals), "=max");
    }
  }
  return reset;
}

bool Acceptable(absl::string_view file) {
  if (file.size() > 255 || file.find('/') != absl::string_view::npos) {
    return false;
  }
  const absl::string_view controller = ControllerOfFile(file);
  if (controller.empty()) return false;
  return controller != "cgroup" || file == "cgroup.max.depth" ||
         file == "cgroup.max.descendants";
}

}  // namespace

absl::string_view ControllerOfFile(absl::string_view file) {
  const size_t dot = file.find('.');
  return dot == absl::string_view::npos ? "" : file.substr(0, dot);
}

absl::StatusOr<Writes> UnifiedWrites(const Resources& resources) {
  Writes writes;
  for (const auto& [file, value] : resources.unified) {
    if (!Acceptable(file)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unified \"", file, "\": not a file that sets a limit"));
    }
    for (absl::string_view line :
         absl::StrSplit(value, '\n', absl::SkipWhitespace())) {
      writes.push_back(
          {file, std::string(line), IfMissing::kFail, ResetOf(line)});
    }
  }
  return writes;
}

}  // namespace gantry::cgroup::v2
