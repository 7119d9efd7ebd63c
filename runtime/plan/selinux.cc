#include "runtime/plan/selinux.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::plan {
namespace {

constexpr uint32_t kCategories = 1024;

struct Label {
  std::string user, role, type, level;
};

// The level may have colons of its own. All but it must be there.
absl::StatusOr<Label> ParseLabel(absl::string_view text) {
  const std::vector<std::string> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 3));
  if (parts.size() < 3 || parts[0].empty() || parts[1].empty() ||
      parts[2].empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no SELinux label"));
  }
  return Label{parts[0], parts[1], parts[2], parts.size() > 3 ? parts[3] : ""};
}

std::string Text(const Label& label) {
  std::string text = absl::StrCat(label.user, ":", label.role, ":", label.type);
  if (!label.level.empty()) absl::StrAppend(&text, ":", label.level);
  return text;
}

// `name = "value"` or `name=value`, "#" begins a comment. Empty if not there.
std::string Setting(absl::string_view text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, name)) continue;
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, "=")) continue;
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "\"")) {
      return std::string(line.substr(0, line.find('"')));
    }
    return std::string(line);
  }
  return "";
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         !absl::StrContains(name, "/");
}

// Checked by ParseLxcContexts before.
Label LabelOf(const std::string& context) {
  absl::StatusOr<Label> label = ParseLabel(context);
  return label.ok() ? *std::move(label) : Label{};
}

}  // namespace

absl::StatusOr<SelinuxContexts> ParseLxcContexts(absl::string_view text) {
  SelinuxContexts contexts{.process = Setting(text, "process"),
                           .file = Setting(text, "file"),
                           .layer = Setting(text, "ro_file")};
  RETURN_IF_ERROR(ParseLabel(contexts.process)) << "process";
  RETURN_IF_ERROR(ParseLabel(contexts.file)) << "file";
  if (!contexts.layer.empty()) {
    RETURN_IF_ERROR(ParseLabel(contexts.layer)) << "ro_file";
  }
  return contexts;
}

std::optional<SelinuxContexts> ReadSelinuxContexts(int rootfd) {
  // It is there once a policy is loaded (selinuxfs).
  if (!sys::ExistsAt(rootfd, "sys/fs/selinux/enforce")) return std::nullopt;
  absl::StatusOr<std::string> config =
      sys::ReadFileAt(rootfd, "etc/selinux/config");
  if (!config.ok()) return std::nullopt;
  const std::string type = Setting(*config, "SELINUXTYPE");
  if (!IsPlainName(type)) return std::nullopt;
  absl::StatusOr<std::string> text = sys::ReadFileAt(
      rootfd, absl::StrCat("etc/selinux/", type, "/contexts/lxc_contexts"));
  if (!text.ok()) return std::nullopt;
  absl::StatusOr<SelinuxContexts> contexts = ParseLxcContexts(*text);
  if (!contexts.ok()) return std::nullopt;
  // The file is there with any policy, the types may be a module's that is not
  // loaded. The kernel takes what is a label (selinuxfs, "context").
  const auto is_known = [rootfd](const std::string& label) {
    return sys::WriteFileAt(rootfd, "sys/fs/selinux/context", label).ok();
  };
  if (!is_known(contexts->process) || !is_known(contexts->file)) {
    return std::nullopt;
  }
  if (!is_known(contexts->layer)) contexts->layer.clear();
  return *std::move(contexts);
}

std::string SelinuxLevel(const SelinuxContexts& contexts, uint32_t number) {
  const std::string level = LabelOf(contexts.process).level;
  if (level.empty()) return "";
  // Row by row: first 1023 pairs with c0, then 1022 with c1, ...
  number %= kSelinuxCategoryPairs;
  uint32_t first = 0;
  for (uint32_t row = kCategories - 1; number >= row; --row) {
    number -= row;
    ++first;
  }
  return absl::StrCat(level.substr(0, level.find(':')), ":c", first, ",c",
                      first + 1 + number);
}

SelinuxLabels MakeSelinuxLabels(const SelinuxContexts& contexts,
                                const spec::SelinuxOptions& options,
                                absl::string_view level) {
  Label process = LabelOf(contexts.process);
  Label file = LabelOf(contexts.file);
  const auto set = [](absl::string_view value, std::string& to) {
    if (!value.empty()) to = std::string(value);
  };
  set(options.user(), process.user);
  set(options.role(), process.role);
  set(options.type(), process.type);
  set(level, process.level);
  set(options.level(), process.level);
  file.level = process.level;
  return {Text(process), Text(file)};
}

}  // namespace gantry::plan
