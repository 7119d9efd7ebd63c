#include "runtime/cgroup/memory_room.h"

#include <errno.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/control_text.h"
#include "runtime/sys/file.h"

namespace gantry::cgroup {

namespace {

const FileWrite* FindWrite(const Writes& writes, absl::string_view file) {
  const auto found =
      std::find_if(writes.begin(), writes.end(),
                   [&](const FileWrite& write) { return write.file == file; });
  return found == writes.end() ? nullptr : &*found;
}

std::string PathOf(const Place& place, absl::string_view file) {
  return absl::StrCat(place.path, "/", file);
}

// 0 where the file can't be read: then there is nothing to be in the way, and
// the write that follows tells what is wrong.
uint64_t InUse(const Place& place) {
  const absl::StatusOr<std::string> text =
      sys::ReadFileAt(place.hierarchy_fd, PathOf(place, "memory.current"));
  return text.ok() ? ParseCount(*text).value_or(0) : 0;
}

// Reclaims down to `limit`, and goes on doing so until `hold` is run.
void HoldDown(const Place& place, int64_t limit, UndoStack& hold) {
  const std::string file = PathOf(place, "memory.high");
  const absl::StatusOr<std::string> text =
      sys::ReadFileAt(place.hierarchy_fd, file);
  if (!text.ok()) return;
  const std::optional<int64_t> high = ParseLimit(*text);
  if (high.has_value() && *high != -1 && *high <= limit) return;
  if (!sys::WriteFileAt(place.hierarchy_fd, file, absl::StrCat(limit)).ok()) {
    return;
  }
  hold.Push(absl::StrCat("restore ", file),
            [fd = place.hierarchy_fd, file,
             old = std::string(absl::StripAsciiWhitespace(*text))] {
              return sys::WriteFileAt(fd, file, old);
            });
}

}  // namespace

absl::Status MakeMemoryRoom(const Place& place, const Writes& writes,
                            UndoStack& hold) {
  const FileWrite* max = FindWrite(writes, "memory.max");
  if (max == nullptr) return absl::OkStatus();
  const std::optional<int64_t> limit = ParseLimit(max->value);
  // Something else than bytes ("1G"): the kernel's to understand.
  if (!limit.has_value() || *limit == -1) return absl::OkStatus();
  if (InUse(place) <= static_cast<uint64_t>(*limit)) return absl::OkStatus();
  UndoStack held;
  HoldDown(place, *limit, held);
  if (InUse(place) > static_cast<uint64_t>(*limit)) {
    return ErrnoStatus(
        EBUSY, absl::StrCat("set memory.max to \"", max->value, "\" in cgroup ",
                            place.path, " (more than that is in use)"));
  }
  if (FindWrite(writes, "memory.high") != nullptr) held.Commit();
  hold.Append(std::move(held));
  return absl::OkStatus();
}

}  // namespace gantry::cgroup
