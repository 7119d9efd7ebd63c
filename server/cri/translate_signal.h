// CRI's Signal enum, whose numbers are its own, and the kernel's signals.
//
// Pure functions.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_SIGNAL_H_
#define GANTRY_SERVER_CRI_TRANSLATE_SIGNAL_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/cri/v1/api.pb.h"

namespace gantry::cri {

// The kernel's number; 0 for SIGNAL_RUNTIME_DEFAULT.
absl::StatusOr<int> SignalFromCri(runtime::v1::Signal signal,
                                  absl::string_view field);

// The enum's value for a number of the kernel; SIGNAL_RUNTIME_DEFAULT for one
// that CRI has no name for.
runtime::v1::Signal SignalToCri(int number);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_SIGNAL_H_
