#include "server/shim/spare_shim.h"

#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"
#include "shim/donation.h"

namespace gantry::shim_client {

std::optional<ShimProcess> SpareShim::Take(absl::string_view shown_id,
                                           const std::vector<int>& donated) {
  if (shown_id.empty() || donated.size() > sys::kMaxMessageFds) {
    return std::nullopt;
  }
  std::optional<ShimProcess> spare;
  {
    absl::MutexLock lock(&mutex_);
    spare.swap(spare_);
  }
  if (!spare.has_value() || !Lives(*spare) ||
      !sys::Send(spare->socket.get(), shown_id, donated).ok()) {
    return std::nullopt;
  }
  return spare;
}

absl::Status SpareShim::Make() {
  if (pid().has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      ShimProcess spare,
      StartShim(binary_.get(),
                {shim::kName, shim::kContainerMode, shim::kStartedAhead}, {}),
      "start a shim ahead");
  absl::MutexLock lock(&mutex_);
  spare_ = std::move(spare);
  return absl::OkStatus();
}

}  // namespace gantry::shim_client
