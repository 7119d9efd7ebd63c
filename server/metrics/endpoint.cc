#include "server/metrics/endpoint.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/address.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/core/tcp_stream.hpp"
#include "boost/beast/http/empty_body.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/read.hpp"
#include "boost/beast/http/string_body.hpp"
#include "boost/beast/http/write.hpp"
#include "runtime/base/status.h"
#include "server/work/thread.h"

namespace gantry::metrics {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

// For the request and the answer together.
constexpr std::chrono::seconds kRequestTime{5};
constexpr uint32_t kMaxRequestHeader = 8 << 10;
constexpr int kMaxConnections = 8;
// After accept failed for want of something.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr char kTextType[] = "text/plain; version=0.0.4; charset=utf-8";

using Response = http::response<http::string_body>;

Response Plain(http::status code, std::string text) {
  Response response(code, 11, std::move(text));
  response.set(http::field::content_type, kTextType);
  return response;
}

Response AnswerTo(const http::request<http::empty_body>& request,
                  const std::function<std::string()>& text) {
  if (request.method() != http::verb::get &&
      request.method() != http::verb::head) {
    return Plain(http::status::method_not_allowed, "expected GET\n");
  }
  const boost::beast::string_view target = request.target();
  if (target.substr(0, target.find('?')) != "/metrics") {
    return Plain(http::status::not_found, "expected /metrics\n");
  }
  return Plain(http::status::ok, text());
}

// One request, then the end.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const std::function<std::string()>& text,
          int& open)
      : stream_(std::move(socket)), text_(text), open_(open) {
    ++open_;
    parser_.header_limit(kMaxRequestHeader);
  }
  ~Session() { --open_; }

  void Run() {
    stream_.expires_after(kRequestTime);
    http::async_read_header(
        stream_, buffer_, parser_,
        [self = shared_from_this()](error_code failed, size_t) {
          if (!failed) self->Answer();
        });
  }

 private:
  void Answer() {
    const bool head = parser_.get().method() == http::verb::head;
    response_ = AnswerTo(parser_.get(), text_);
    response_.keep_alive(false);
    response_.prepare_payload();
    if (head) response_.body().clear();
    http::async_write(
        stream_, response_, [self = shared_from_this()](error_code, size_t) {
          error_code ignored;
          self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        });
  }

  boost::beast::tcp_stream stream_;
  const std::function<std::string()>& text_;
  int& open_;
  boost::beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  Response response_;
};

}  // namespace

class Endpoint::Impl {
 public:
  explicit Impl(std::function<std::string()> text)
      : text_(std::move(text)), acceptor_(io_), pause_(io_) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen(const Address& address) {
    error_code failed;
    const auto ip = boost::asio::ip::make_address(address.ip.c_str(), failed);
    const tcp::endpoint place(ip, address.port);
    if (!failed) acceptor_.open(place.protocol(), failed);
    if (!failed) {
      acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
    }
    if (!failed) acceptor_.bind(place, failed);
    if (!failed) acceptor_.listen(/*backlog=*/16, failed);
    if (!failed) return absl::OkStatus();
    const std::string host =
        ip.is_v6() ? absl::StrCat("[", address.ip, "]") : address.ip;
    return absl::UnavailableError(absl::StrCat(
        "serve metrics on ", host, ":", address.port, ": ", failed.message()));
  }

  absl::Status Run() {
    Accept();
    ASSIGN_OR_RETURN(thread_,
                     work::StartThread("metrics", [this] { io_.run(); }));
    return absl::OkStatus();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code failed, tcp::socket socket) {
      if (failed) return Pause();
      if (open_ < kMaxConnections) {
        std::make_shared<Session>(std::move(socket), text_, open_)->Run();
      }
      Accept();
    });
  }

  void Pause() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
  }

  const std::function<std::string()> text_;
  // Outlives the sessions, which go with io_ at the latest.
  int open_ = 0;
  boost::asio::io_context io_{/*concurrency_hint=*/1};
  tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Start(
    const Address& address, std::function<std::string()> text) {
  auto impl = std::make_unique<Impl>(std::move(text));
  RETURN_IF_ERROR(impl->Listen(address));
  RETURN_IF_ERROR(impl->Run());
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(impl)));
}

Endpoint::Endpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Endpoint::~Endpoint() = default;

}  // namespace gantry::metrics
