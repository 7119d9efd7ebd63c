// One upgraded connection: a transport, the codec of what it carries, and the
// session behind. Passes events between the three and keeps their bounds.
//
// While a session holds its input nothing is read for a second, so that the
// client's sending stands still. From then on a bounded amount is read ahead:
// a client's end comes behind all it had sent, and would else not be seen
// before its kernel gives up, minutes later.
//
// Ownership: shared by its transport (until that is closed) and the server's
// list; owns the rest. Thread safety: none; all on the streaming thread.

#ifndef GANTRY_SERVER_STREAMING_CONNECTION_H_
#define GANTRY_SERVER_STREAMING_CONNECTION_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/steady_timer.hpp"
#include "server/streaming/session.h"
#include "server/streaming/stream_codec.h"
#include "server/streaming/transport.h"

namespace gantry::streaming {

class Connection : public Link,
                   public Transport::Handler,
                   public std::enable_shared_from_this<Connection> {
 public:
  using MakeCodec = std::function<std::unique_ptr<StreamCodec>(
      StreamEvents& events, StreamCodec::Sink sink)>;

  struct Parts {
    std::shared_ptr<Transport> transport;
    std::shared_ptr<Session> session;
    MakeCodec make_codec;
    // A connection without a byte for so long is closed.
    std::chrono::seconds idle_timeout;
    // Called once, when nothing of it is left to be done.
    std::function<void(Connection*)> ended;
  };

  Connection(boost::asio::io_context& io, Parts parts);

  void Start();

  // Link:
  boost::asio::io_context& io() override { return io_; }
  StreamCodec& streams() override { return *codec_; }
  bool HasRoom() const override;
  void HoldInput() override;
  void ReleaseInput() override;
  void Finish() override;
  void Abort() override;

 private:
  void OnBytes(absl::string_view bytes, bool end_of_message) override;
  void OnSent() override;
  void OnClosed(const absl::Status& why) override;

  // What was read while the input was held.
  struct Piece {
    std::string bytes;
    bool end_of_message;
  };

  void Receive(absl::string_view bytes, bool end_of_message);
  void CatchUp();
  void ForgetAhead();
  void ArmTick();
  void Tick();

  boost::asio::io_context& io_;
  Parts parts_;
  std::unique_ptr<StreamCodec> codec_;
  boost::asio::steady_timer tick_;
  std::chrono::steady_clock::time_point active_;
  std::deque<Piece> ahead_;
  size_t ahead_size_ = 0;
  int holds_ = 0;
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_CONNECTION_H_
