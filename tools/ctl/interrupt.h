// Ctrl-C: noticed between steps, so that what a command made can be removed.
//
// Another SIGINT or SIGTERM more than a second later ends the program at once.
// Thread safety: any.

#ifndef GANTRY_TOOLS_CTL_INTERRUPT_H_
#define GANTRY_TOOLS_CTL_INTERRUPT_H_

#include "absl/time/time.h"

namespace gantry::ctl {

// From now on the first SIGINT or SIGTERM only makes Interrupted() true.
void CatchInterrupts();

bool Interrupted();

// Sleeps; a signal ends it early. Returns Interrupted().
bool SleepUnlessInterrupted(absl::Duration duration);

// Sets or clears it without a signal.
void SetInterruptedForTest(bool interrupted);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_INTERRUPT_H_
