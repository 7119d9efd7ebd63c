#include "runtime/cgroup/write_plan.h"

#include <errno.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

std::string FilePath(const Place& place, const FileWrite& write) {
  return absl::StrCat(place.path, "/", write.file);
}

// What to write to undo `write` in a file that holds `old`.
std::string OldValue(const FileWrite& write, absl::string_view old) {
  if (!write.reset.empty()) {
    const absl::string_view value = write.value;
    const absl::string_view line =
        FindLine(old, value.substr(0, value.find(' ')));
    return line.empty() ? write.reset : std::string(line);
  }
  absl::string_view first = old.substr(0, old.find('\n'));
  absl::ConsumePrefix(&first, "default ");
  // An empty write would reach nobody; a line end says "empty" to cpuset.
  return first.empty() ? "\n" : std::string(first);
}

absl::Status Explain(absl::Status status, const Place& place,
                     const FileWrite& write) {
  const int error = ErrnoOf(status);
  if (error == ENOENT) {
    if (!sys::ExistsAt(place.hierarchy_fd, place.path)) {
      return absl::NotFoundError(
          absl::StrCat("cgroup ", place.path, " doesn't exist"));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "cgroup ", place.path, " has no ", write.file,
        ": the kernel doesn't offer it, or its controller can't be enabled "
        "there"));
  }
  const std::string what = absl::StrCat(
      "set ", write.file, " to \"", write.value, "\" in cgroup ", place.path);
  if (error == EBUSY && absl::StartsWith(write.file, "memory.")) {
    return Annotate(status, absl::StrCat(what, " (more than that is in use)"));
  }
  return Annotate(status, what);
}

// cpuset files that are empty mean what the parent has. Once they are not, some
// kernels (seen: 6.1) refuse to empty them while a process is inside, with
// ENOSPC (kernel/cgroup/cpuset.c, validate_change): then what was in effect is
// written out. Empty if the file is another one's, or was not empty.
std::string EffectiveValue(const Place& place, const FileWrite& write,
                           absl::string_view old) {
  if (!absl::StartsWith(write.file, "cpuset.") || old != "\n") return "";
  absl::StatusOr<std::string> text = sys::ReadFileAt(
      place.hierarchy_fd, absl::StrCat(FilePath(place, write), ".effective"));
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

absl::Status WriteOne(const Place& place, const FileWrite& write,
                      UndoStack* undo) {
  const std::string file = FilePath(place, write);
  std::string old, effective;
  if (undo != nullptr) {
    absl::StatusOr<std::string> text =
        sys::ReadFileAt(place.hierarchy_fd, file);
    if (!text.ok()) return text.status();
    old = OldValue(write, *text);
    effective = EffectiveValue(place, write, old);
  }
  RETURN_IF_ERROR(sys::WriteFileAt(place.hierarchy_fd, file, write.value));
  if (undo != nullptr) {
    undo->Push(absl::StrCat("restore ", file),
               [fd = place.hierarchy_fd, file, old, effective] {
                 absl::Status status = sys::WriteFileAt(fd, file, old);
                 if (ErrnoOf(status) == ENOSPC && !effective.empty()) {
                   status = sys::WriteFileAt(fd, file, effective);
                 }
                 return status;
               });
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PerformWrites(const Place& place, const Writes& writes,
                           UndoStack* undo) {
  for (size_t i = 0; i < writes.size(); ++i) {
    const FileWrite& write = writes[i];
    absl::Status status = WriteOne(place, write, undo);
    if (status.ok()) {
      if (write.if_missing == IfMissing::kNext) ++i;
      continue;
    }
    if (ErrnoOf(status) == ENOENT && write.if_missing != IfMissing::kFail &&
        sys::ExistsAt(place.hierarchy_fd, place.path)) {
      continue;
    }
    return Explain(std::move(status), place, write);
  }
  return absl::OkStatus();
}

}  // namespace gantry::cgroup
