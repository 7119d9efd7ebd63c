// Port forwarding: each pair of streams (data, error) that a client opens is
// carried to a port of a pod, as 127.0.0.1 or else ::1 in its network
// namespace.
//
// A pair ends when both directions have, or a second after the pod's side has;
// what went wrong is told as a text on the error stream.
// Thread safety: none; all on the streaming thread.

#ifndef GANTRY_SERVER_STREAMING_PORT_FORWARD_H_
#define GANTRY_SERVER_STREAMING_PORT_FORWARD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/stream_request.h"
#include "server/core/stream_service.h"
#include "server/streaming/session.h"

namespace gantry::streaming {

// Pairs open at a time on one connection; more are refused.
inline constexpr size_t kMaxForwards = 500;

class PortForwardSession final
    : public Session,
      public std::enable_shared_from_this<PortForwardSession> {
 public:
  // `service` must outlive this and the tasks it starts.
  PortForwardSession(core::StreamService& service,
                     core::PortForwardRequest request);
  ~PortForwardSession() override;

  void Start(Link& link) override { link_ = &link; }
  void OnRoom() override;
  void OnGone() override;
  absl::Status OnOpen(StreamId id, const StreamHeaders& headers) override;
  void OnData(StreamId id, absl::string_view data) override;
  void OnEnd(StreamId id) override;
  void OnReset(StreamId id) override;

 private:
  class Forward;
  using ForwardPtr = std::shared_ptr<Forward>;

  ForwardPtr FindByData(StreamId id);
  void Drop(Forward* forward);

  core::StreamService& service_;
  const core::PortForwardRequest request_;
  // Null once the connection has ended.
  Link* link_ = nullptr;
  // By request id, which both streams of a pair name.
  std::map<std::string, ForwardPtr> forwards_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_PORT_FORWARD_H_
