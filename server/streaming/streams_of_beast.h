// The two kinds of stream that a connection is made of, and what differs
// between them. For the .cc files of transports and of the HTTP side only.

#ifndef GANTRY_SERVER_STREAMING_STREAMS_OF_BEAST_H_
#define GANTRY_SERVER_STREAMING_STREAMS_OF_BEAST_H_

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "boost/asio/ssl/stream.hpp"
#include "boost/beast/core/stream_traits.hpp"
#include "boost/beast/core/tcp_stream.hpp"
#include "boost/beast/websocket/ssl.hpp"

namespace gantry::streaming {

using TcpStream = boost::beast::tcp_stream;
using TlsStream = boost::asio::ssl::stream<TcpStream>;

template <typename Stream>
boost::asio::ip::tcp::socket& SocketOf(Stream& stream) {
  return boost::beast::get_lowest_layer(stream).socket();
}

inline void ShutdownSend(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
}

// The peer's FIN has come (tcp(7), TCP_INFO), whether or not what was before it
// is read.
template <typename Stream>
bool HasPeerClosed(Stream& stream) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  const int fd = SocketOf(stream).native_handle();
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
  return info.tcpi_state != TCP_ESTABLISHED;
}

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_STREAMS_OF_BEAST_H_
