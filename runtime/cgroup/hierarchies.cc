#include "runtime/cgroup/hierarchies.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

size_t ChoosePrimary(const Layout& layout) {
  if (const auto unified = FindUnified(layout)) return *unified;
  for (absl::string_view name : {"freezer", "pids", "memory"}) {
    if (const auto found = FindController(layout, name)) return *found;
  }
  return 0;
}

}  // namespace

absl::StatusOr<Hierarchies> Hierarchies::Open(Layout layout, int rootfd) {
  if (layout.hierarchies.empty()) {
    return absl::FailedPreconditionError("no cgroup hierarchy is mounted");
  }
  Hierarchies result;
  for (const Hierarchy& hierarchy : layout.hierarchies) {
    absl::string_view path = hierarchy.mount_path;
    absl::ConsumePrefix(&path, "/");
    ASSIGN_OR_RETURN(
        UniqueFd fd,
        sys::OpenAt(rootfd, path.empty() ? "." : path, O_PATH | O_DIRECTORY),
        absl::StrCat("cgroup mount ", hierarchy.mount_path));
    result.fds_.push_back(std::move(fd));
  }
  result.unified_ = FindUnified(layout);
  result.primary_ = ChoosePrimary(layout);
  result.layout_ = std::move(layout);
  return result;
}

absl::StatusOr<Hierarchies> Hierarchies::Open(Layout layout) {
  ASSIGN_OR_RETURN(const UniqueFd root,
                   sys::OpenAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  return Open(std::move(layout), root.get());
}

std::optional<Controller> Hierarchies::Find(
    absl::string_view controller) const {
  const auto index = FindController(layout_, controller);
  if (!index.has_value()) return std::nullopt;
  return Controller{*index, layout_.hierarchies[*index].version};
}

absl::StatusOr<std::string> NormalizeCgroupPath(absl::string_view path) {
  absl::string_view rest = path;
  absl::ConsumePrefix(&rest, "/");
  const auto refuse = [path](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("cgroup path \"", path, "\": ", why));
  };
  if (rest.empty()) return refuse("names no cgroup");
  for (absl::string_view part : absl::StrSplit(rest, '/')) {
    if (part.empty()) return refuse("has an empty component");
    if (part == "." || part == "..") return refuse("must not have . or ..");
    if (part.size() > 255) return refuse("has a component over 255 bytes");
    for (char c : part) {
      if (c == '\n' || c == '\0') return refuse("has a line end or zero byte");
    }
  }
  return std::string(rest);
}

}  // namespace gantry::cgroup
