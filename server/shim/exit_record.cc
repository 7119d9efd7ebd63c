#include "server/shim/exit_record.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"
#include "shim/donation.h"

namespace gantry::shim_client {
namespace {

// A handful of numbers; more is not an exit record.
constexpr size_t kMaxBytes = 4096;

}  // namespace

absl::StatusOr<shim::Exited> ReadExitRecord(int run_dir_fd) {
  ASSIGN_OR_RETURN(
      std::string bytes,
      sys::ReadFileAt(run_dir_fd, shim::kExitRecordName, kMaxBytes));
  shim::Exited exited;
  // finished_at is never zero: an empty file is not a record.
  if (!exited.ParseFromString(bytes) || exited.finished_at() == 0) {
    return absl::DataLossError(absl::StrCat(
        shim::kExitRecordName, " is damaged (", bytes.size(), " bytes)"));
  }
  return exited;
}

}  // namespace gantry::shim_client
