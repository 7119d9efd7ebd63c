#include "server/shim/spare_shim.h"

#include <cerrno>

#include "absl/status/statusor.h"
#include "runtime/base/status.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/wire/envelope_channel.h"
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
    if (!spare_.has_value()) return std::nullopt;
    const absl::StatusOr<sys::Message> word =
        sys::Receive(spare_->socket.get(), wire::kMaxMessageBytes);
    // Not there yet: it will do for the next one.
    if (ErrnoOf(word.status()) == EAGAIN) return std::nullopt;
    spare.swap(spare_);
    // A program of before that waits for nothing says something else.
    if (!word.ok() || word->data != shim::kReady) return std::nullopt;
  }
  if (!Lives(*spare) ||
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
