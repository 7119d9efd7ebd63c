#include "server/shim/spare_namespaces.h"

#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"

namespace gantry::shim_client {
namespace {

// What pods have in common; the host name comes with the pod.
shim::PinRequest KindOf(shim::PinRequest pin) {
  pin.ahead = true;
  pin.hostname.clear();
  return pin;
}

}  // namespace

bool SpareNamespaces::CanBeFor(const shim::PinRequest& pin) {
  return pin.net && pin.uts && !pin.user.has_value() && !pin.hostname.empty();
}

std::optional<ShimProcess> SpareNamespaces::Take(const shim::PinRequest& pin,
                                                 int run_dir) {
  if (!CanBeFor(pin)) return std::nullopt;
  std::optional<ShimProcess> spare;
  {
    absl::MutexLock lock(&mutex_);
    if (!spare_.has_value() || !(kind_ == KindOf(pin))) return std::nullopt;
    spare.swap(spare_);
  }
  const int fds[] = {run_dir};
  if (!Lives(*spare) ||
      !sys::Send(spare->socket.get(), pin.hostname, fds).ok()) {
    return std::nullopt;
  }
  return spare;
}

absl::Status SpareNamespaces::Make(const shim::PinRequest& pin) {
  if (!CanBeFor(pin)) return absl::OkStatus();
  shim::PinRequest kind = KindOf(pin);
  {
    absl::MutexLock lock(&mutex_);
    if (spare_.has_value() && kind_ == kind) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(ShimProcess spare,
                   StartShim(binary_.get(), shim::PinArguments(kind), {}),
                   "make namespaces ahead");
  absl::MutexLock lock(&mutex_);
  spare_ = std::move(spare);
  kind_ = std::move(kind);
  return absl::OkStatus();
}

}  // namespace gantry::shim_client
