// When the steps of a start began, for a start that is traced.
//
// Thread safety: as the message's. Reads the clock, without a system call;
// allocates. Not to be called behind a seccomp filter.

#ifndef GANTRY_SHIM_INIT_NOTE_STEP_H_
#define GANTRY_SHIM_INIT_NOTE_STEP_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "proto/shim.pb.h"

namespace gantry::init {

// `begun_at` as Clock::BootNanos counts.
void NoteStep(absl::string_view name, int64_t begun_at, shim::Started& started);

// The step begins now.
void NoteStep(absl::string_view name, shim::Started& started);

}  // namespace gantry::init

#endif  // GANTRY_SHIM_INIT_NOTE_STEP_H_
