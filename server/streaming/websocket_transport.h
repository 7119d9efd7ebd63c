// Transports of WebSocket messages (RFC 6455, by Boost.Beast).

#ifndef GANTRY_SERVER_STREAMING_WEBSOCKET_TRANSPORT_H_
#define GANTRY_SERVER_STREAMING_WEBSOCKET_TRANSPORT_H_

#include <memory>
#include <string>

#include "boost/beast/http/empty_body.hpp"
#include "boost/beast/http/message.hpp"
#include "server/streaming/streams_of_beast.h"
#include "server/streaming/transport.h"

namespace gantry::streaming {

using HttpRequest = boost::beast::http::request<boost::beast::http::empty_body>;

struct WebSocketOptions {
  // Named in the answer, unless empty.
  std::string subprotocol;
  // Messages of text, not of bytes.
  bool text = false;
};

// Start answers `request`, an upgrade to a WebSocket.
std::shared_ptr<Transport> NewWebSocketTransport(TcpStream stream,
                                                 HttpRequest request,
                                                 WebSocketOptions options);
std::shared_ptr<Transport> NewWebSocketTransport(TlsStream stream,
                                                 HttpRequest request,
                                                 WebSocketOptions options);

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_WEBSOCKET_TRANSPORT_H_
