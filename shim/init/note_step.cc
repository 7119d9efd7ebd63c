#include "shim/init/note_step.h"

#include <string>

#include "runtime/base/clock.h"

namespace gantry::init {

void NoteStep(absl::string_view name, int64_t begun_at,
              shim::Started& started) {
  shim::Step* step = started.add_steps();
  step->set_name(std::string(name));
  step->set_begun_at(begun_at);
}

void NoteStep(absl::string_view name, shim::Started& started) {
  NoteStep(name, RealClock().BootNanos(), started);
}

}  // namespace gantry::init
