#include "tools/ctl/port_forwarder.h"

#include <signal.h>

#include <array>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/signal_set.hpp"
#include "boost/asio/write.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http/empty_body.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/read.hpp"
#include "boost/beast/http/write.hpp"
#include "runtime/base/status.h"
#include "server/streaming/spdy_frames.h"
#include "server/streaming/spdy_headers.h"
#include "tools/ctl/stream_url.h"

namespace gantry::ctl {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using streaming::StreamId;

absl::Status Failed(const error_code& why, absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", why.message()));
}

class Forwarder : private streaming::SpdyFrameReader::Visitor {
 public:
  Forwarder(std::ostream& out, std::ostream& err)
      : out_(out), err_(err), socket_(io_), signals_(io_) {}

  absl::Status Connect(const StreamUrl& url);
  absl::Status Listen(const ForwardedPort& port);
  absl::Status Run();

 private:
  // One local connection and its data stream.
  struct Local {
    explicit Local(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    StreamId id = 0;
    std::array<char, 32 << 10> buffer;
  };
  using LocalPtr = std::shared_ptr<Local>;
  struct Listener {
    Listener(asio::io_context& io, uint16_t port)
        : acceptor(io), remote(port) {}
    tcp::acceptor acceptor;
    const uint16_t remote;
  };

  void Accept(Listener& listener);
  void Open(tcp::socket socket, uint16_t port);
  void ReadLocal(const LocalPtr& local);
  void ReadServer();
  // Blocks: the server is on this host, and reads what it is sent.
  void Send(const std::string& frames);
  void End(absl::Status why);

  absl::Status OnControl(streaming::SpdyType type, uint8_t flags,
                         absl::string_view payload) override;
  void OnStreamData(StreamId id, absl::string_view data, bool end) override;

  std::ostream& out_;
  std::ostream& err_;
  asio::io_context io_{1};
  tcp::socket socket_;
  asio::signal_set signals_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  boost::beast::flat_buffer early_;
  std::array<char, 32 << 10> buffer_;
  streaming::SpdyFrameReader frames_{*this};
  streaming::SpdyHeaderWriter headers_;
  StreamId next_ = 1;
  uint64_t requests_ = 0;
  // By the id of the data stream; the error stream has the one before.
  std::map<StreamId, LocalPtr> locals_;
  absl::Status end_;
};

absl::Status Forwarder::Connect(const StreamUrl& url) {
  error_code failed;
  const auto address = asio::ip::make_address(url.host.c_str(), failed);
  uint32_t port = 0;
  if (failed || !absl::SimpleAtoi(url.port, &port) || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot connect to ", url.authority));
  }
  socket_.connect({address, static_cast<uint16_t>(port)}, failed);
  if (failed) return Failed(failed, absl::StrCat("connect to ", url.authority));
  http::request<http::empty_body> request(http::verb::post, url.path, 11);
  request.set(http::field::host, url.authority);
  request.set(http::field::connection, "Upgrade");
  request.set(http::field::upgrade, "SPDY/3.1");
  request.set("X-Stream-Protocol-Version", "portforward.k8s.io");
  request.prepare_payload();
  http::write(socket_, request, failed);
  if (failed) return Failed(failed, "ask for the upgrade");
  http::response_parser<http::empty_body> answer;
  http::read_header(socket_, early_, answer, failed);
  if (failed) return Failed(failed, "read the answer to the upgrade");
  if (answer.get().result() != http::status::switching_protocols) {
    return absl::UnavailableError(absl::StrCat("streaming from ", url.authority,
                                               ": HTTP status ",
                                               answer.get().result_int()));
  }
  return absl::OkStatus();
}

absl::Status Forwarder::Listen(const ForwardedPort& port) {
  auto listener = std::make_unique<Listener>(io_, port.remote);
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port.local);
  tcp::acceptor& acceptor = listener->acceptor;
  error_code failed;
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(tcp::acceptor::max_listen_connections, failed);
  if (failed) {
    return Failed(failed, absl::StrCat("listen on 127.0.0.1:", port.local));
  }
  out_ << "127.0.0.1:" << acceptor.local_endpoint().port() << " -> "
       << port.remote << std::endl;
  Accept(*listener);
  listeners_.push_back(std::move(listener));
  return absl::OkStatus();
}

absl::Status Forwarder::Run() {
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  signals_.async_wait([this](error_code cancelled, int) {
    if (!cancelled) io_.stop();
  });
  const auto early = early_.data();
  RETURN_IF_ERROR(
      frames_.Feed({static_cast<const char*>(early.data()), early.size()}));
  ReadServer();
  io_.run();
  return end_;
}

void Forwarder::End(absl::Status why) {
  if (end_.ok()) end_ = std::move(why);
  io_.stop();
}

void Forwarder::Accept(Listener& listener) {
  listener.acceptor.async_accept(
      [this, &listener](error_code failed, tcp::socket socket) {
        if (failed) {
          End(Failed(failed, "accept a connection"));
          return;
        }
        Open(std::move(socket), listener.remote);
        Accept(listener);
      });
}

void Forwarder::Open(tcp::socket socket, uint16_t port) {
  auto local = std::make_shared<Local>(std::move(socket));
  const StreamId error = next_;
  local->id = next_ + 2;
  next_ += 4;
  const std::string request = absl::StrCat(requests_++);
  auto headers = [&](const char* type) {
    return headers_.Write({{streaming::kStreamTypeHeader, type},
                           {streaming::kPortHeader, absl::StrCat(port)},
                           {streaming::kRequestIdHeader, request}});
  };
  std::string frames =
      streaming::SynStreamFrame(error, headers("error"), /*fin=*/true);
  frames += streaming::SynStreamFrame(local->id, headers("data"), false);
  locals_[local->id] = local;
  Send(frames);
  ReadLocal(local);
}

void Forwarder::ReadLocal(const LocalPtr& local) {
  local->socket.async_read_some(
      asio::buffer(local->buffer),
      [this, local](error_code failed, size_t size) {
        // Gone already, by the server's wish.
        if (locals_.count(local->id) == 0) return;
        Send(streaming::DataFrame(local->id, {local->buffer.data(), size},
                                  static_cast<bool>(failed)));
        if (!failed) ReadLocal(local);
      });
}

void Forwarder::ReadServer() {
  socket_.async_read_some(
      asio::buffer(buffer_), [this](error_code failed, size_t size) {
        if (failed) {
          End(Failed(failed, "the connection to the server was lost"));
          return;
        }
        absl::Status fed = frames_.Feed({buffer_.data(), size});
        if (!fed.ok()) {
          End(std::move(fed));
          return;
        }
        ReadServer();
      });
}

void Forwarder::Send(const std::string& frames) {
  error_code failed;
  asio::write(socket_, asio::buffer(frames), failed);
  if (failed) End(Failed(failed, "the connection to the server was lost"));
}

absl::Status Forwarder::OnControl(streaming::SpdyType type, uint8_t /*flags*/,
                                  absl::string_view payload) {
  if (type == streaming::SpdyType::kGoAway) {
    return absl::UnavailableError("the server said goodbye");
  }
  if (type == streaming::SpdyType::kRstStream && payload.size() == 8) {
    locals_.erase(streaming::ReadUint32(payload.data()));
  }
  // Replies have no headers that matter, and so many windows are not used up.
  return absl::OkStatus();
}

void Forwarder::OnStreamData(StreamId id, absl::string_view data, bool end) {
  auto local = locals_.find(id);
  if (local == locals_.end()) {
    // Of an error stream, unless its connection is gone.
    if (!data.empty()) err_ << "gantryctl: " << data << std::endl;
    return;
  }
  error_code failed;
  tcp::socket& socket = local->second->socket;
  asio::write(socket, asio::buffer(data.data(), data.size()), failed);
  if (failed) {
    Send(streaming::RstStreamFrame(id, streaming::kSpdyCancel));
    locals_.erase(local);
  } else if (end) {
    socket.shutdown(tcp::socket::shutdown_send, failed);
    locals_.erase(local);
  }
}

absl::StatusOr<uint16_t> ParsePort(absl::string_view text) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text, &port) || port < 1 || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a port from 1 to 65535, found \"", text, "\""));
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

absl::StatusOr<ForwardedPort> ParseForwardedPort(absl::string_view text) {
  ForwardedPort port;
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos) {
    ASSIGN_OR_RETURN(port.remote, ParsePort(text));
    port.local = port.remote;
    return port;
  }
  ASSIGN_OR_RETURN(port.remote, ParsePort(text.substr(colon + 1)));
  if (colon > 0) {
    ASSIGN_OR_RETURN(port.local, ParsePort(text.substr(0, colon)));
  }
  return port;
}

absl::Status ForwardPorts(const std::string& url,
                          const std::vector<ForwardedPort>& ports,
                          std::ostream& out, std::ostream& err) {
  ASSIGN_OR_RETURN(StreamUrl parsed, ParseStreamUrl(url));
  ::signal(SIGPIPE, SIG_IGN);
  Forwarder forwarder(out, err);
  RETURN_IF_ERROR(forwarder.Connect(parsed));
  for (const ForwardedPort& port : ports) {
    RETURN_IF_ERROR(forwarder.Listen(port));
  }
  return forwarder.Run();
}

}  // namespace gantry::ctl
