#include "runtime/sys/proc_status.h"

#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

// The value of the line "NAME:\tVALUE". The first line, Name, holds what the
// program chose, with its newlines escaped by the kernel.
std::optional<absl::string_view> ValueOf(absl::string_view text,
                                         absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, name) && absl::ConsumePrefix(&line, ":\t")) {
      return line;
    }
  }
  return std::nullopt;
}

absl::Status Malformed(absl::string_view name) {
  return absl::DataLossError(
      absl::StrCat("no ", name, " in the status of a process"));
}

absl::StatusOr<uint64_t> Mask(absl::string_view text, absl::string_view name) {
  const std::optional<absl::string_view> value = ValueOf(text, name);
  uint64_t mask = 0;
  if (!value || !absl::SimpleHexAtoi(*value, &mask)) return Malformed(name);
  return mask;
}

}  // namespace

absl::StatusOr<SignalState> ParseSignalState(absl::string_view text) {
  SignalState state;
  // One column for each namespace, the innermost last.
  const std::optional<absl::string_view> pids = ValueOf(text, "NSpid");
  if (!pids ||
      !absl::SimpleAtoi(pids->substr(pids->rfind('\t') + 1), &state.own_pid)) {
    return Malformed("NSpid");
  }
  ASSIGN_OR_RETURN(state.blocked, Mask(text, "SigBlk"));
  ASSIGN_OR_RETURN(state.caught, Mask(text, "SigCgt"));
  return state;
}

absl::StatusOr<SignalState> ReadSignalState(int procfd, pid_t pid) {
  absl::StatusOr<std::string> text =
      ReadFileAt(procfd, absl::StrCat(pid, "/status"), 16384);
  RETURN_IF_ERROR(text) << "process " << pid;
  return ParseSignalState(*text);
}

}  // namespace gantry::sys
