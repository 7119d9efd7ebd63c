// The HTTP side of the streaming server: one request per connection, which ends
// with an upgrade or an error.
//
//   GET or POST /exec/TOKEN, /attach/TOKEN, /portforward/TOKEN
//
// 404: unknown path or token (also used, or expired); 400: no upgrade is asked
// for; 403: no protocol in common; 405: another method.

#ifndef GANTRY_SERVER_STREAMING_HTTP_SIDE_H_
#define GANTRY_SERVER_STREAMING_HTTP_SIDE_H_

#include <memory>
#include <optional>

#include "absl/strings/string_view.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/ssl/context.hpp"
#include "server/core/stream_request.h"
#include "server/streaming/transport.h"
#include "server/streaming/upgrade.h"

namespace gantry::streaming {

// Where requests come from and upgraded connections go to.
class HttpHost {
 public:
  // Counts a connection as long as it is held.
  using Ticket = std::shared_ptr<void>;

  virtual ~HttpHost() = default;
  // What the token is for, once.
  virtual std::optional<core::StreamRequest> Take(absl::string_view token) = 0;
  virtual void Serve(std::shared_ptr<Transport> transport,
                     core::StreamRequest request, const Upgrade& upgrade,
                     Ticket ticket) = 0;
};

// Serves one accepted connection; with TLS if `tls` is not null. `host` and
// `tls` must outlive the io_context's run.
void ServeHttp(HttpHost& host, boost::asio::ip::tcp::socket socket,
               boost::asio::ssl::context* tls, HttpHost::Ticket ticket);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_HTTP_SIDE_H_
