#include "tools/ctl/remote_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/connect.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/posix/stream_descriptor.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/signal_set.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/core/tcp_stream.hpp"
#include "boost/beast/http/field.hpp"
#include "boost/beast/websocket/stream.hpp"
#include "runtime/base/status.h"
#include "runtime/json/json.h"
#include "tools/ctl/own_terminal.h"
#include "tools/ctl/stream_url.h"

namespace gantry::ctl {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

constexpr char kProtocol[] = "v5.channel.k8s.io";
// Numbers of channels.
constexpr char kStdin = 0;
constexpr char kStdout = 1;
constexpr char kStderr = 2;
constexpr char kError = 3;
constexpr char kResize = 4;
constexpr char kClose = '\xff';

absl::Status Failed(const error_code& why, absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", why.message()));
}

// Blocks; false if nobody reads.
bool WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t size = ::write(fd, data.data(), data.size());
    if (size > 0) {
      data.remove_prefix(static_cast<size_t>(size));
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

class RemoteCommand {
 public:
  explicit RemoteCommand(const RemoteStreams& streams)
      : streams_(streams), socket_(io_), in_(io_), resized_(io_) {}

  absl::Status Connect(const StreamUrl& url);
  absl::StatusOr<int> Run();

 private:
  void Read();
  void OnMessage(absl::string_view message);
  void WatchInput();
  void ReadInput();
  void OnInput(ssize_t size);
  void WatchSize();
  void SendSize();
  void Send(char channel, absl::string_view data);
  void Write();
  void End(absl::Status why);

  const RemoteStreams streams_;
  asio::io_context io_{1};
  websocket::stream<boost::beast::tcp_stream, false> socket_;
  asio::posix::stream_descriptor in_;
  // A regular file, which epoll does not watch and which never blocks.
  bool in_is_file_ = false;
  asio::signal_set resized_;
  boost::beast::flat_buffer buffer_;
  std::array<char, 32 << 10> input_;
  // The first is being sent.
  std::deque<std::string> messages_;
  std::string status_;
  std::optional<absl::Status> end_;
};

absl::Status RemoteCommand::Connect(const StreamUrl& url) {
  error_code failed;
  const auto address = asio::ip::make_address(url.host.c_str(), failed);
  uint32_t port = 0;
  if (failed || !absl::SimpleAtoi(url.port, &port) || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot connect to ", url.authority));
  }
  socket_.next_layer().socket().connect({address, static_cast<uint16_t>(port)},
                                        failed);
  if (failed) return Failed(failed, absl::StrCat("connect to ", url.authority));
  socket_.set_option(
      websocket::stream_base::decorator([](websocket::request_type& request) {
        request.set(boost::beast::http::field::sec_websocket_protocol,
                    kProtocol);
      }));
  websocket::response_type answer;
  socket_.handshake(answer, url.authority, url.path, failed);
  if (failed) {
    return absl::UnavailableError(
        absl::StrCat("streaming from ", url.authority, ": HTTP status ",
                     answer.result_int(), ": ", failed.message()));
  }
  socket_.binary(true);
  socket_.auto_fragment(false);
  socket_.read_message_max(0);
  return absl::OkStatus();
}

absl::StatusOr<int> RemoteCommand::Run() {
  if (streams_.terminal) WatchSize();
  if (streams_.in >= 0) WatchInput();
  Read();
  io_.run();
  if (!status_.empty()) return ExitCodeOf(status_);
  return end_.value_or(absl::OkStatus()).ok()
             ? absl::UnavailableError("the server did not tell the end")
             : *end_;
}

void RemoteCommand::End(absl::Status why) {
  if (!end_.has_value()) end_ = std::move(why);
  io_.stop();
}

void RemoteCommand::Read() {
  socket_.async_read(buffer_, [this](error_code failed, size_t) {
    if (failed) {
      End(failed == websocket::error::closed
              ? absl::OkStatus()
              : Failed(failed, "the connection was lost"));
      return;
    }
    const auto data = buffer_.data();
    OnMessage({static_cast<const char*>(data.data()), data.size()});
    buffer_.consume(data.size());
    Read();
  });
}

void RemoteCommand::OnMessage(absl::string_view message) {
  if (message.empty()) return;
  const char channel = message[0];
  message.remove_prefix(1);
  const int fd = channel == kStdout   ? streams_.out
                 : channel == kStderr ? streams_.err
                                      : -1;
  if (channel == kError) {
    status_.append(message.data(), message.size());
  } else if (fd >= 0 && !WriteAll(fd, message)) {
    End(ErrnoStatus(errno, "write the program's output"));
  }
}

void RemoteCommand::WatchInput() {
  error_code ignored;
  // A duplicate, for it is closed at the end. A failure is told by the wait.
  in_.assign(::fcntl(streams_.in, F_DUPFD_CLOEXEC, /*at least*/ 3), ignored);
  ReadInput();
}

void RemoteCommand::ReadInput() {
  if (in_is_file_) {
    asio::post(io_, [this] {
      OnInput(::read(streams_.in, input_.data(), input_.size()));
    });
    return;
  }
  in_.async_wait(asio::posix::stream_descriptor::wait_read,
                 [this](error_code failed) {
                   if (failed) {
                     in_is_file_ = true;
                     ReadInput();
                     return;
                   }
                   OnInput(::read(streams_.in, input_.data(), input_.size()));
                 });
}

void RemoteCommand::OnInput(ssize_t size) {
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
    ReadInput();
  } else if (size > 0) {
    // More is read once this was sent.
    Send(kStdin, {input_.data(), static_cast<size_t>(size)});
  } else {
    Send(kClose, {&kStdin, 1});
  }
}

void RemoteCommand::WatchSize() {
  error_code failed;
  resized_.add(SIGWINCH, failed);
  SendSize();
  resized_.async_wait([this](error_code cancelled, int) {
    if (!cancelled) WatchSize();
  });
}

void RemoteCommand::SendSize() {
  const std::optional<winsize> size =
      TerminalSizeOf(streams_.in >= 0 ? streams_.in : streams_.out);
  if (!size.has_value()) return;
  Send(kResize, absl::StrCat("{\"Width\":", size->ws_col,
                             ",\"Height\":", size->ws_row, "}"));
}

void RemoteCommand::Send(char channel, absl::string_view data) {
  messages_.push_back(absl::StrCat(absl::string_view(&channel, 1), data));
  if (messages_.size() == 1) Write();
}

void RemoteCommand::Write() {
  socket_.async_write(asio::buffer(messages_.front()),
                      [this](error_code failed, size_t) {
                        // The reading side tells why.
                        if (failed) return;
                        const bool input = messages_.front()[0] == kStdin;
                        messages_.pop_front();
                        if (!messages_.empty()) Write();
                        if (input) ReadInput();
                      });
}

}  // namespace

absl::StatusOr<int> ExitCodeOf(absl::string_view status_json) {
  ASSIGN_OR_RETURN(json::Value status,
                   json::Value::Parse(status_json, "the server's last word"));
  ASSIGN_OR_RETURN(std::string word, status.StringField("status"));
  if (word == "Success") return 0;
  ASSIGN_OR_RETURN(std::string reason, status.StringField("reason"));
  ASSIGN_OR_RETURN(std::string message, status.StringField("message"));
  if (reason != "NonZeroExitCode") return absl::InternalError(message);
  if (std::optional<json::Value> details = status.Find("details")) {
    ASSIGN_OR_RETURN(std::vector<json::Value> causes,
                     details->ArrayField("causes"));
    for (const json::Value& cause : causes) {
      ASSIGN_OR_RETURN(std::string kind, cause.StringField("reason"));
      ASSIGN_OR_RETURN(std::string text, cause.StringField("message"));
      int code = 0;
      if (kind == "ExitCode" && absl::SimpleAtoi(text, &code)) return code;
    }
  }
  return absl::InternalError(
      absl::StrCat("an exit code is missing: ", message));
}

absl::StatusOr<int> RunRemoteCommand(const std::string& url,
                                     const RemoteStreams& streams) {
  ASSIGN_OR_RETURN(StreamUrl parsed, ParseStreamUrl(url));
  // A program that ends before its input shall not end this one.
  ::signal(SIGPIPE, SIG_IGN);
  RemoteCommand command(streams);
  RETURN_IF_ERROR(command.Connect(parsed));
  std::optional<RawTerminal> raw;
  if (streams.terminal && streams.in >= 0) raw.emplace(streams.in);
  return command.Run();
}

}  // namespace gantry::ctl
