#include "runtime/state/boot_id.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"

namespace gantry::state {
namespace {

constexpr size_t kLength = 36;
constexpr absl::string_view kNote = "boot";

}  // namespace

absl::StatusOr<std::string> BootId(int procfd) {
  constexpr absl::string_view kPath = "sys/kernel/random/boot_id";
  ASSIGN_OR_RETURN(std::string id, sys::ReadFileAt(procfd, kPath, 64));
  absl::StripAsciiWhitespace(&id);
  if (id.size() != kLength) {
    return absl::DataLossError(
        absl::StrCat("read ", kPath, ": \"", id, "\" is no UUID"));
  }
  return id;
}

absl::StatusOr<std::string> NotedBoot(int directory) {
  absl::StatusOr<std::string> id = sys::ReadFileAt(directory, kNote);
  if (absl::IsNotFound(id.status())) return std::string();
  RETURN_IF_ERROR(id);
  absl::StripAsciiWhitespace(&*id);
  return id->size() == kLength ? *id : std::string();
}

absl::Status NoteBoot(int directory, const std::string& id) {
  absl::StatusOr<std::string> noted = NotedBoot(directory);
  if (noted.ok() && *noted == id) return absl::OkStatus();
  return sys::AtomicWriteAt(directory, kNote, absl::StrCat(id, "\n"), 0600,
                            sys::Durability::kPowerCut);
}

}  // namespace gantry::state
