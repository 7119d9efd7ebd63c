// The streaming server: its listening socket, its thread, the tokens, and the
// connections that are open.
//
// Ownership: owns the thread; ends it in the destructor. Thread safety: UrlFor
// from any thread; the rest by the owner.

#ifndef GANTRY_SERVER_STREAMING_STREAM_SERVER_H_
#define GANTRY_SERVER_STREAMING_STREAM_SERVER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/core/stream_request.h"
#include "server/core/stream_service.h"

namespace gantry::streaming {

struct StreamServerOptions {
  // An IPv4 or IPv6 address of this host.
  std::string address = "127.0.0.1";
  // 0: any that is free.
  uint16_t port = 0;
  // PEM files; both empty: no TLS.
  std::string certificate;
  std::string key;
  // A connection without a byte for so long is closed.
  std::chrono::seconds idle_timeout{4 * 3600};
};

class StreamServer : public core::StreamUrls {
 public:
  // Listens and serves. `service` must outlive this, and so must its node's
  // tasks that sessions have started: Close, wait for them, then destroy.
  static absl::StatusOr<std::unique_ptr<StreamServer>> Start(
      const StreamServerOptions& options, core::StreamService& service);
  ~StreamServer() override;
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;

  absl::StatusOr<std::string> UrlFor(core::StreamRequest request) override;

  // Takes no more connections and ends those that are open, with what runs for
  // them. Blocks until the streaming thread has seen to it. Repeatable.
  void Close();

 private:
  class Impl;
  explicit StreamServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_STREAM_SERVER_H_
