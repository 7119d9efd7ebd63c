#include "server/streaming/byte_transport.h"

#include <array>
#include <chrono>
#include <type_traits>
#include <utility>

#include "boost/asio/buffer.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/write.hpp"

namespace gantry::streaming {
namespace {

using boost::system::error_code;

constexpr size_t kReadPiece = 16 << 10;
// A buffer that grew larger is given back once it is empty.
constexpr size_t kKeptBuffer = 64 << 10;
// For sending what is left, and for the client to close.
constexpr std::chrono::seconds kFlushTime{30};
constexpr std::chrono::seconds kLinger{2};

template <typename Stream>
class ByteTransport final
    : public Transport,
      public std::enable_shared_from_this<ByteTransport<Stream>> {
 public:
  ByteTransport(Stream stream, std::string early)
      : stream_(std::move(stream)),
        timer_(stream_.get_executor()),
        early_(std::move(early)) {
    boost::beast::get_lowest_layer(stream_).expires_never();
  }

  void Start(std::shared_ptr<Handler> handler) override {
    handler_ = std::move(handler);
    boost::asio::post(stream_.get_executor(),
                      [self = this->shared_from_this()] {
                        std::string early;
                        early.swap(self->early_);
                        self->Deliver(early);
                        self->Read();
                      });
  }

  void Send(std::string bytes) override {
    if (closed_ || finishing_) return;
    waiting_ += bytes;
    Write();
  }

  size_t Queued() const override { return sending_.size() + waiting_.size(); }

  void Hold(bool hold) override {
    held_ = hold;
    if (!hold) Read();
  }

  void Finish() override {
    if (closed_ || finishing_) return;
    finishing_ = true;
    held_ = false;
    CloseAfter(kFlushTime);
    Read();
    Write();
  }

  void Abort() override { Close(absl::AbortedError("closed by the server")); }

  bool PeerHasClosed() const override {
    return closed_ || HasPeerClosed(const_cast<Stream&>(stream_));
  }

 private:
  void Deliver(absl::string_view bytes) {
    if (closed_ || finishing_ || bytes.empty()) return;
    handler_->OnBytes(bytes, /*end_of_message=*/true);
  }

  void Read() {
    if (reading_ || held_ || closed_ || peer_ended_ || !early_.empty()) return;
    reading_ = true;
    stream_.async_read_some(
        boost::asio::buffer(buffer_),
        [self = this->shared_from_this()](error_code failed, size_t size) {
          self->reading_ = false;
          self->Deliver(absl::string_view(self->buffer_.data(), size));
          if (failed) {
            self->OnReadEnd(failed);
          } else {
            self->Read();
          }
        });
  }

  void OnReadEnd(error_code why) {
    if (!finishing_) {
      Close(absl::UnavailableError(why.message()));
    } else if (said_goodbye_) {
      Close(absl::OkStatus());
    } else {
      // It may still read what is left to send.
      peer_ended_ = true;
    }
  }

  void Write() {
    if (writing_ || closed_) return;
    if (waiting_.empty()) {
      if (finishing_) Goodbye();
      return;
    }
    writing_ = true;
    sending_.swap(waiting_);
    boost::asio::async_write(
        stream_, boost::asio::buffer(sending_),
        [self = this->shared_from_this()](error_code failed, size_t) {
          self->OnWritten(failed);
        });
  }

  void OnWritten(error_code failed) {
    writing_ = false;
    if (sending_.capacity() > kKeptBuffer) sending_ = std::string();
    sending_.clear();
    if (failed) Close(absl::UnavailableError(failed.message()));
    if (closed_) return;
    if (!finishing_) handler_->OnSent();
    Write();
  }

  void Goodbye() {
    if (std::exchange(said_goodbye_, true)) return;
    CloseAfter(peer_ended_ ? std::chrono::seconds(0) : kLinger);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_shutdown([self = this->shared_from_this()](error_code) {
        if (!self->closed_) ShutdownSend(SocketOf(self->stream_));
      });
    } else {
      ShutdownSend(SocketOf(stream_));
    }
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

  Stream stream_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<Handler> handler_;
  std::string early_;
  std::array<char, kReadPiece> buffer_;
  // What an operation under way sends, and what comes after.
  std::string sending_;
  std::string waiting_;
  bool reading_ = false;
  bool writing_ = false;
  bool held_ = false;
  bool finishing_ = false;
  bool said_goodbye_ = false;
  bool peer_ended_ = false;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Transport> NewByteTransport(TcpStream stream,
                                            std::string early) {
  return std::make_shared<ByteTransport<TcpStream>>(std::move(stream),
                                                    std::move(early));
}

std::shared_ptr<Transport> NewByteTransport(TlsStream stream,
                                            std::string early) {
  return std::make_shared<ByteTransport<TlsStream>>(std::move(stream),
                                                    std::move(early));
}

}  // namespace gantry::streaming
