#include "server/streaming/websocket_transport.h"

#include <chrono>
#include <deque>
#include <utility>

#include "boost/asio/buffer.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http/field.hpp"
#include "boost/beast/websocket/stream.hpp"

namespace gantry::streaming {
namespace {

namespace websocket = boost::beast::websocket;
using boost::system::error_code;

constexpr size_t kReadPiece = 16 << 10;
constexpr std::chrono::seconds kHandshakeTime{10};
constexpr std::chrono::seconds kFlushTime{30};
constexpr std::chrono::seconds kLinger{2};

template <typename Stream>
class WebSocketTransport final
    : public Transport,
      public std::enable_shared_from_this<WebSocketTransport<Stream>> {
 public:
  WebSocketTransport(Stream stream, HttpRequest request,
                     WebSocketOptions options)
      : stream_(std::move(stream)),
        timer_(stream_.get_executor()),
        request_(std::move(request)) {
    boost::beast::get_lowest_layer(stream_).expires_never();
    websocket::stream_base::timeout timeout{
        kHandshakeTime, websocket::stream_base::none(), false};
    stream_.set_option(timeout);
    stream_.set_option(websocket::stream_base::decorator(
        [options](websocket::response_type& response) {
          if (options.subprotocol.empty()) return;
          response.set(boost::beast::http::field::sec_websocket_protocol,
                       options.subprotocol);
        }));
    stream_.text(options.text);
    stream_.auto_fragment(false);
    // Messages are passed on in pieces: their length does not matter.
    stream_.read_message_max(0);
  }

  void Start(std::shared_ptr<Handler> handler) override {
    handler_ = std::move(handler);
    stream_.async_accept(
        request_, [self = this->shared_from_this()](error_code failed) {
          self->request_ = HttpRequest();
          if (failed) {
            self->Close(absl::UnavailableError(failed.message()));
            return;
          }
          self->accepted_ = true;
          self->Read();
          self->Write();
        });
  }

  void Send(std::string bytes) override {
    if (closed_ || finishing_) return;
    queued_ += bytes.size();
    messages_.push_back(std::move(bytes));
    Write();
  }

  size_t Queued() const override { return queued_; }

  void Hold(bool hold) override {
    held_ = hold;
    if (!hold) Read();
  }

  void Finish() override {
    if (closed_ || finishing_) return;
    finishing_ = true;
    held_ = false;
    CloseAfter(kFlushTime);
    Write();
  }

  void Abort() override { Close(absl::AbortedError("closed by the server")); }

  bool PeerHasClosed() const override {
    return closed_ ||
           HasPeerClosed(
               const_cast<websocket::stream<Stream, false>&>(stream_));
  }

 private:
  void Read() {
    if (!accepted_ || reading_ || held_ || closed_ || said_goodbye_) return;
    reading_ = true;
    stream_.async_read_some(
        buffer_, kReadPiece,
        [self = this->shared_from_this()](error_code failed, size_t size) {
          self->OnRead(failed, size);
        });
  }

  void OnRead(error_code failed, size_t size) {
    reading_ = false;
    if (failed) {
      Close(finishing_ ? absl::OkStatus()
                       : absl::UnavailableError(failed.message()));
      return;
    }
    if (!closed_ && !finishing_) {
      const auto data = buffer_.data();
      handler_->OnBytes(
          absl::string_view(static_cast<const char*>(data.data()), size),
          stream_.is_message_done());
    }
    buffer_.consume(size);
    Read();
  }

  void Write() {
    if (!accepted_ || writing_ || closed_) return;
    if (messages_.empty()) {
      if (finishing_) Goodbye();
      return;
    }
    writing_ = true;
    stream_.async_write(
        boost::asio::buffer(messages_.front()),
        [self = this->shared_from_this()](error_code failed, size_t) {
          self->OnWritten(failed);
        });
  }

  void OnWritten(error_code failed) {
    writing_ = false;
    queued_ -= messages_.front().size();
    messages_.pop_front();
    if (failed) Close(absl::UnavailableError(failed.message()));
    if (closed_) return;
    if (!finishing_) handler_->OnSent();
    Write();
  }

  void Goodbye() {
    if (std::exchange(said_goodbye_, true)) return;
    CloseAfter(kLinger);
    // Ends when the client has said goodbye as well.
    stream_.async_close(websocket::close_code::normal,
                        [self = this->shared_from_this()](error_code) {
                          self->Close(absl::OkStatus());
                        });
  }

  void CloseAfter(std::chrono::seconds patience) {
    timer_.expires_after(patience);
    timer_.async_wait([self = this->shared_from_this()](error_code cancelled) {
      if (!cancelled) self->Close(absl::OkStatus());
    });
  }

  void Close(absl::Status why) {
    if (std::exchange(closed_, true)) return;
    timer_.cancel();
    error_code ignored;
    SocketOf(stream_).close(ignored);
    boost::asio::post(stream_.get_executor(), [self = this->shared_from_this(),
                                               why = std::move(why)] {
      if (auto handler = std::exchange(self->handler_, nullptr)) {
        handler->OnClosed(why);
      }
    });
  }

  // No compression: deflateSupported is false.
  websocket::stream<Stream, false> stream_;
  boost::asio::steady_timer timer_;
  HttpRequest request_;
  std::shared_ptr<Handler> handler_;
  boost::beast::flat_buffer buffer_;
  // The first is being sent.
  std::deque<std::string> messages_;
  size_t queued_ = 0;
  bool accepted_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool held_ = false;
  bool finishing_ = false;
  bool said_goodbye_ = false;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Transport> NewWebSocketTransport(TcpStream stream,
                                                 HttpRequest request,
                                                 WebSocketOptions options) {
  return std::make_shared<WebSocketTransport<TcpStream>>(
      std::move(stream), std::move(request), std::move(options));
}

std::shared_ptr<Transport> NewWebSocketTransport(TlsStream stream,
                                                 HttpRequest request,
                                                 WebSocketOptions options) {
  return std::make_shared<WebSocketTransport<TlsStream>>(
      std::move(stream), std::move(request), std::move(options));
}

}  // namespace gantry::streaming
