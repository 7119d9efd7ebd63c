#include "server/cri/translate_signal.h"

#include <signal.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/core/signals.h"
#include "server/cri/check.h"

namespace gantry::cri {

using ::runtime::v1::Signal;

absl::StatusOr<int> SignalFromCri(Signal signal, absl::string_view field) {
  if (signal == runtime::v1::SIGNAL_RUNTIME_DEFAULT) return 0;
  if (!runtime::v1::Signal_IsValid(signal)) {
    return BadField(field,
                    absl::StrCat("unknown signal ", static_cast<int>(signal)));
  }
  // "SIGNAL_SIGRTMINPLUS3" is "SIGRTMIN+3".
  absl::string_view name = runtime::v1::Signal_Name(signal);
  absl::ConsumePrefix(&name, "SIGNAL_");
  // Second names of signals (signal(7)).
  if (name == "SIGCLD") return SIGCHLD;
  if (name == "SIGIOT") return SIGABRT;
  if (name == "SIGIO" || name == "SIGPOLL") return SIGIO;
  return core::ParseSignal(
      absl::StrReplaceAll(name, {{"PLUS", "+"}, {"MINUS", "-"}}));
}

Signal SignalToCri(int number) {
  for (int value = 1; value < runtime::v1::Signal_ARRAYSIZE; ++value) {
    Signal signal = static_cast<Signal>(value);
    if (!runtime::v1::Signal_IsValid(signal)) continue;
    absl::StatusOr<int> same = SignalFromCri(signal, "");
    if (same.ok() && *same == number) return signal;
  }
  return runtime::v1::SIGNAL_RUNTIME_DEFAULT;
}

}  // namespace gantry::cri
