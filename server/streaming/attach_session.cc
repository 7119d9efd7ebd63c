#include "server/streaming/attach_session.h"

#include <utility>

#include "boost/asio/post.hpp"
#include "glog/logging.h"
#include "runtime/base/status.h"

namespace gantry::streaming {

AttachSession::AttachSession(core::StreamService& service,
                             core::AttachRequest request,
                             const Upgrade& upgrade)
    : RemoteCommand(service, request.streams, upgrade),
      request_(std::move(request)) {}

void AttachSession::Begin() {
  auto self = std::static_pointer_cast<AttachSession>(shared_from_this());
  service().node().tasks.Start(Run(self, service(), io(), request_));
}

work::Task<void> AttachSession::Run(std::shared_ptr<AttachSession> self,
                                    core::StreamService& service,
                                    boost::asio::io_context& io,
                                    core::AttachRequest request) {
  absl::StatusOr<core::ProcessStreams> streams =
      co_await service.Attach(std::move(request));
  LOG_IF(INFO, !streams.ok()) << "streaming attach: " << streams.status();
  boost::asio::post(io, [self, streams = std::move(streams)]() mutable {
    self->OnAttached(std::move(streams));
  });
}

void AttachSession::OnAttached(absl::StatusOr<core::ProcessStreams> streams) {
  if (gone()) return;
  if (!streams.ok()) {
    Finish(Annotate(streams.status(), "error attaching to container"));
    return;
  }
  has_outputs_ = streams->out.valid() || streams->err.valid();
  Carry(*std::move(streams));
}

void AttachSession::OnInputBroken() {
  // Else the outputs tell the end, after what is still to come of them.
  if (!has_outputs_) Finish(0);
}

void AttachSession::OnSize(TerminalSize size) {
  next_size_ = size;
  if (!resizing_) OnResized();
}

void AttachSession::OnResized() {
  resizing_ = next_size_.has_value() && !gone();
  if (!resizing_) return;
  const TerminalSize size = *std::exchange(next_size_, std::nullopt);
  auto self = std::static_pointer_cast<AttachSession>(shared_from_this());
  service().node().tasks.Start(Resize(self, service(), io(), size));
}

work::Task<void> AttachSession::Resize(std::shared_ptr<AttachSession> self,
                                       core::StreamService& service,
                                       boost::asio::io_context& io,
                                       TerminalSize size) {
  absl::Status resized = co_await service.Resize(self->request_.container_id,
                                                 size.width, size.height);
  VLOG_IF(1, !resized.ok()) << "resize an attached terminal: " << resized;
  boost::asio::post(io, [self] { self->OnResized(); });
}

}  // namespace gantry::streaming
