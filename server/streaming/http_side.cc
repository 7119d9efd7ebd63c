#include "server/streaming/http_side.h"

#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http/empty_body.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/read.hpp"
#include "boost/beast/http/rfc7230.hpp"
#include "boost/beast/http/string_body.hpp"
#include "boost/beast/http/write.hpp"
#include "boost/beast/websocket/rfc6455.hpp"
#include "glog/logging.h"
#include "server/streaming/byte_transport.h"
#include "server/streaming/streams_of_beast.h"
#include "server/streaming/websocket_transport.h"

namespace gantry::streaming {
namespace {

namespace http = boost::beast::http;
using boost::beast::flat_buffer;
using boost::system::error_code;

// For the handshake, the request and the answer together.
constexpr std::chrono::seconds kRequestTime{10};
constexpr uint32_t kMaxRequestHeader = 16 << 10;
constexpr size_t kDiscarded = 4 << 10;

absl::string_view View(boost::beast::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// "/exec/TOKEN": the kind of request and the token.
struct Target {
  absl::string_view kind;
  absl::string_view token;
};

std::optional<Target> ParseTarget(absl::string_view target) {
  target = target.substr(0, target.find('?'));
  if (!absl::StartsWith(target, "/")) return std::nullopt;
  target.remove_prefix(1);
  const size_t slash = target.find('/');
  if (slash == absl::string_view::npos) return std::nullopt;
  return Target{target.substr(0, slash), target.substr(slash + 1)};
}

bool IsKind(absl::string_view kind, const core::StreamRequest& request) {
  if (kind == "exec") {
    return std::holds_alternative<core::ExecStreamRequest>(request);
  }
  if (kind == "attach") {
    return std::holds_alternative<core::AttachRequest>(request);
  }
  return kind == "portforward" &&
         std::holds_alternative<core::PortForwardRequest>(request);
}

UpgradeOffer OfferOf(const HttpRequest& request) {
  UpgradeOffer offer;
  offer.websocket = boost::beast::websocket::is_upgrade(request);
  offer.spdy =
      http::token_list(request[http::field::connection]).exists("upgrade") &&
      absl::EqualsIgnoreCase(View(request[http::field::upgrade]),
                             kSpdyProtocol);
  const auto [first, last] =
      offer.websocket ? request.equal_range(http::field::sec_websocket_protocol)
                      : request.equal_range(kSpdyVersionHeader);
  for (auto header = first; header != last; ++header) {
    AppendListHeader(View(header->value()), offer.protocols);
  }
  return offer;
}

template <typename Stream>
class HttpConnection
    : public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(HttpHost& host, Stream stream, HttpHost::Ticket ticket)
      : host_(host), stream_(std::move(stream)), ticket_(std::move(ticket)) {
    parser_.header_limit(kMaxRequestHeader);
  }

  void Run() {
    boost::beast::get_lowest_layer(stream_).expires_after(kRequestTime);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_handshake(
          boost::asio::ssl::stream_base::server,
          [self = this->shared_from_this()](error_code failed) {
            VLOG_IF(1, failed) << "streaming: TLS: " << failed.message();
            if (!failed) self->Read();
          });
    } else {
      Read();
    }
  }

 private:
  void Read() {
    http::async_read(
        stream_, buffer_, parser_,
        [self = this->shared_from_this()](error_code failed, size_t) {
          self->OnRequest(failed);
        });
  }

  void OnRequest(error_code failed) {
    if (failed == http::error::end_of_stream ||
        failed == boost::beast::error::timeout) {
      return;
    }
    if (failed) {
      Refuse(http::status::bad_request, failed.message());
      return;
    }
    HttpRequest request = parser_.release();
    if (request.method() != http::verb::get &&
        request.method() != http::verb::post) {
      Refuse(http::status::method_not_allowed, "expected GET or POST");
      return;
    }
    std::optional<Target> target = ParseTarget(View(request.target()));
    std::optional<core::StreamRequest> wanted;
    if (target.has_value()) wanted = host_.Take(target->token);
    if (!wanted.has_value() || !IsKind(target->kind, *wanted)) {
      Refuse(http::status::not_found, "no such request");
      return;
    }
    Choose(std::move(request), *std::move(wanted));
  }

  void Choose(HttpRequest request, core::StreamRequest wanted) {
    const UpgradeOffer offer = OfferOf(request);
    absl::StatusOr<Upgrade> upgrade =
        std::holds_alternative<core::PortForwardRequest>(wanted)
            ? ChooseForPortForward(offer)
            : ChooseForCommand(offer);
    if (!upgrade.ok()) {
      Refuse(absl::IsFailedPrecondition(upgrade.status())
                 ? http::status::forbidden
                 : http::status::bad_request,
             upgrade.status().message());
    } else if (upgrade->wire == Upgrade::Wire::kSpdy) {
      UpgradeToSpdy(*upgrade, std::move(wanted));
    } else {
      const WebSocketOptions options{upgrade->protocol, upgrade->format.base64};
      host_.Serve(NewWebSocketTransport(std::move(stream_), std::move(request),
                                        options),
                  std::move(wanted), *upgrade, std::move(ticket_));
    }
  }

  void UpgradeToSpdy(const Upgrade& upgrade, core::StreamRequest wanted) {
    auto response = std::make_shared<http::response<http::empty_body>>(
        http::status::switching_protocols, 11);
    response->set(http::field::connection, "Upgrade");
    response->set(http::field::upgrade, kSpdyProtocol);
    response->set(kSpdyVersionHeader, upgrade.protocol);
    http::async_write(
        stream_, *response,
        [self = this->shared_from_this(), response, upgrade,
         wanted = std::move(wanted)](error_code failed, size_t) mutable {
          if (failed) return;
          // What the client has sent without waiting for the answer.
          const auto early = self->buffer_.data();
          std::string bytes(static_cast<const char*>(early.data()),
                            early.size());
          self->host_.Serve(
              NewByteTransport(std::move(self->stream_), std::move(bytes)),
              std::move(wanted), upgrade, std::move(self->ticket_));
        });
  }

  void Refuse(http::status code, absl::string_view why) {
    auto response = std::make_shared<http::response<http::string_body>>(
        code, 11, absl::StrCat(why, "\n"));
    response->set(http::field::content_type, "text/plain; charset=utf-8");
    response->keep_alive(false);
    response->prepare_payload();
    http::async_write(
        stream_, *response,
        [self = this->shared_from_this(), response](error_code, size_t) {
          ShutdownSend(SocketOf(self->stream_));
          self->Discard();
        });
  }

  // Until the client closes, or its time is over: to close with something
  // unread would take the answer from it.
  void Discard() {
    buffer_.clear();
    stream_.async_read_some(
        buffer_.prepare(kDiscarded),
        [self = this->shared_from_this()](error_code failed, size_t) {
          if (!failed) self->Discard();
        });
  }

  HttpHost& host_;
  Stream stream_;
  HttpHost::Ticket ticket_;
  flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
};

}  // namespace

void ServeHttp(HttpHost& host, boost::asio::ip::tcp::socket socket,
               boost::asio::ssl::context* tls, HttpHost::Ticket ticket) {
  TcpStream stream(std::move(socket));
  if (tls == nullptr) {
    std::make_shared<HttpConnection<TcpStream>>(host, std::move(stream),
                                                std::move(ticket))
        ->Run();
  } else {
    std::make_shared<HttpConnection<TlsStream>>(
        host, TlsStream(std::move(stream), *tls), std::move(ticket))
        ->Run();
  }
}

}  // namespace gantry::streaming
