// gantry-shim: the process that stays with one container
// (docs/shim_protocol.md) and the helper that pins a pod's namespaces.

#include <unistd.h>

#include <cstring>

#include "absl/strings/string_view.h"
#include "shim/donation.h"
#include "shim/loop/container_mode.h"
#include "shim/pin/pin_mode.h"

namespace {

int Usage() {
  constexpr char kText[] =
      "gantry-shim is started by gantryd; it does nothing by hand.\n";
  (void)!write(STDERR_FILENO, kText, sizeof(kText) - 1);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return Usage();
  const absl::string_view mode = argv[1];
  if (mode == gantry::shim::kContainerMode) {
    const int status =
        gantry::shim::RunContainerMode(argc > 2 ? argv[2] : nullptr);
#ifdef __SANITIZE_ADDRESS__
    // LeakSanitizer looks at the process from a clone of it. The clones of a
    // shim that has joined a PID namespace are born there, where they cannot
    // see it, and its end would be waited for in vain.
    _exit(status);
#endif
    return status;
  }
  if (mode == gantry::shim::kPinMode) {
    return gantry::shim::RunPinMode(argc - 2, argv + 2);
  }
  return Usage();
}
