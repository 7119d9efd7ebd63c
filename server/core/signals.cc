#include "server/core/signals.h"

#include <signal.h>
#include <string.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace gantry::core {
namespace {

bool IsSignal(int number) { return number >= 1 && number <= SIGRTMAX; }

// "", "+3": the distance from SIGRTMIN or SIGRTMAX.
bool ParseOffset(absl::string_view text, int* offset) {
  *offset = 0;
  return text.empty() || absl::SimpleAtoi(text, offset);
}

}  // namespace

absl::StatusOr<int> ParseSignal(absl::string_view text) {
  absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not a signal"));
  int number = 0;
  if (absl::SimpleAtoi(text, &number)) {
    if (IsSignal(number)) return number;
    return bad;
  }
  std::string upper = absl::AsciiStrToUpper(text);
  absl::string_view name = upper;
  absl::ConsumePrefix(&name, "SIG");
  int offset = 0;
  if (absl::ConsumePrefix(&name, "RTMIN") && ParseOffset(name, &offset) &&
      offset >= 0 && IsSignal(SIGRTMIN + offset)) {
    return SIGRTMIN + offset;
  }
  if (absl::ConsumePrefix(&name, "RTMAX") && ParseOffset(name, &offset) &&
      offset <= 0 && SIGRTMAX + offset >= SIGRTMIN) {
    return SIGRTMAX + offset;
  }
  for (int candidate = 1; candidate < SIGRTMIN; ++candidate) {
    const char* abbreviation = sigabbrev_np(candidate);
    if (abbreviation != nullptr && name == abbreviation) return candidate;
  }
  return bad;
}

}  // namespace gantry::core
