#include "server/streaming/stream_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <iterator>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/address.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/ssl/context.hpp"
#include "boost/asio/steady_timer.hpp"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/streaming/attach_session.h"
#include "server/streaming/channel_sets.h"
#include "server/streaming/connection.h"
#include "server/streaming/exec_session.h"
#include "server/streaming/http_side.h"
#include "server/streaming/port_forward.h"
#include "server/streaming/spdy_codec.h"
#include "server/streaming/tokens.h"
#include "server/work/thread.h"

namespace gantry::streaming {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// At a time; more are closed as they come.
constexpr int kMaxConnections = 4096;
// After accept failed for want of something.
constexpr std::chrono::milliseconds kAcceptPause{100};

absl::Status AsStatus(const error_code& failed, absl::string_view what) {
  return absl::InternalError(absl::StrCat(what, ": ", failed.message()));
}

// Finds a client that has gone without a word.
void KeepAlive(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  const int fd = socket.native_handle();
  // In seconds, and a number of probes.
  static constexpr std::pair<int, int> kOptions[] = {
      {TCP_KEEPIDLE, 30}, {TCP_KEEPINTVL, 10}, {TCP_KEEPCNT, 3}};
  for (const auto& [name, value] : kOptions) {
    ::setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value));
  }
}

}  // namespace

class StreamServer::Impl : public HttpHost {
 public:
  Impl(const StreamServerOptions& options, core::StreamService& service)
      : options_(options),
        service_(service),
        tokens_(service.node().clock),
        acceptor_(io_),
        pause_(io_) {}

  absl::Status Listen();
  absl::Status LoadTls();
  absl::Status Run();
  void Stop();
  void CloseAll();

  std::string UrlOf(const core::StreamRequest& request,
                    absl::string_view token) const;
  Tokens& tokens() { return tokens_; }
  boost::asio::io_context& io() { return io_; }

 private:
  std::optional<core::StreamRequest> Take(absl::string_view token) override {
    return tokens_.Take(token);
  }
  void Serve(std::shared_ptr<Transport> transport, core::StreamRequest request,
             const Upgrade& upgrade, Ticket ticket) override;
  std::shared_ptr<Session> MakeSession(core::StreamRequest request,
                                       const Upgrade& upgrade);
  void Accept();
  void OnAccept(error_code failed, tcp::socket socket);

  const StreamServerOptions options_;
  core::StreamService& service_;
  Tokens tokens_;
  std::string authority_;
  // Connections that are open; on the thread only. Outlives what counts itself
  // here until io_ goes.
  int open_ = 0;

  boost::asio::io_context io_{/*concurrency_hint=*/1};
  std::unique_ptr<boost::asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::thread thread_;

  // Only on the thread.
  std::set<std::shared_ptr<Connection>> connections_;
  bool closing_ = false;
};

absl::Status StreamServer::Impl::LoadTls() {
  if (options_.certificate.empty()) return absl::OkStatus();
  namespace ssl = boost::asio::ssl;
  tls_ = std::make_unique<ssl::context>(ssl::context::tls_server);
  tls_->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                    ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                    ssl::context::no_tlsv1_1);
  error_code failed;
  tls_->use_certificate_chain_file(options_.certificate, failed);
  if (failed) {
    return AsStatus(failed, absl::StrCat("read ", options_.certificate));
  }
  tls_->use_private_key_file(options_.key, ssl::context::pem, failed);
  if (failed) return AsStatus(failed, absl::StrCat("read ", options_.key));
  return absl::OkStatus();
}

absl::Status StreamServer::Impl::Listen() {
  error_code failed;
  const auto address =
      boost::asio::ip::make_address(options_.address.c_str(), failed);
  if (failed) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options_.address, "\" is no IP address"));
  }
  const tcp::endpoint endpoint(address, options_.port);
  acceptor_.open(endpoint.protocol(), failed);
  if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor_.bind(endpoint, failed);
  if (!failed) acceptor_.listen(/*backlog=*/1024, failed);
  const tcp::endpoint bound =
      failed ? endpoint : acceptor_.local_endpoint(failed);
  if (failed) {
    return AsStatus(failed, absl::StrCat("listen on ", options_.address, ":",
                                         options_.port));
  }
  authority_ = address.is_v6()
                   ? absl::StrCat("[", options_.address, "]:", bound.port())
                   : absl::StrCat(options_.address, ":", bound.port());
  return absl::OkStatus();
}

absl::Status StreamServer::Impl::Run() {
  Accept();
  ASSIGN_OR_RETURN(thread_, work::StartThread("streaming", [this] {
                     const auto forever = boost::asio::make_work_guard(io_);
                     io_.run();
                   }));
  return absl::OkStatus();
}

void StreamServer::Impl::Accept() {
  acceptor_.async_accept([this](error_code failed, tcp::socket socket) {
    OnAccept(failed, std::move(socket));
  });
}

void StreamServer::Impl::OnAccept(error_code failed, tcp::socket socket) {
  if (closing_) return;
  if (failed) {
    LOG(WARNING) << "streaming: accept: " << failed.message();
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
    return;
  }
  if (open_ < kMaxConnections) {
    KeepAlive(socket);
    ++open_;
    // Any pointer will do; what counts is its end.
    Ticket ticket(this, [](Impl* impl) { --impl->open_; });
    ServeHttp(*this, std::move(socket), tls_.get(), std::move(ticket));
  }
  Accept();
}

std::shared_ptr<Session> StreamServer::Impl::MakeSession(
    core::StreamRequest request, const Upgrade& upgrade) {
  if (auto* exec = std::get_if<core::ExecStreamRequest>(&request)) {
    return std::make_shared<ExecSession>(service_, std::move(*exec), upgrade);
  }
  if (auto* attach = std::get_if<core::AttachRequest>(&request)) {
    return std::make_shared<AttachSession>(service_, std::move(*attach),
                                           upgrade);
  }
  return std::make_shared<PortForwardSession>(
      service_, std::get<core::PortForwardRequest>(std::move(request)));
}

void StreamServer::Impl::Serve(std::shared_ptr<Transport> transport,
                               core::StreamRequest request,
                               const Upgrade& upgrade, Ticket ticket) {
  if (closing_) return;
  Connection::Parts parts;
  parts.transport = std::move(transport);
  parts.idle_timeout = options_.idle_timeout;
  if (upgrade.wire == Upgrade::Wire::kChannels) {
    parts.make_codec = [format = upgrade.format,
                        channels = ChannelsFor(request)](
                           StreamEvents& events, StreamCodec::Sink sink) {
      return std::make_unique<ChannelCodec>(events, std::move(sink), format,
                                            channels);
    };
  } else {
    parts.make_codec = [](StreamEvents& events, StreamCodec::Sink sink) {
      return std::make_unique<SpdyCodec>(events, std::move(sink));
    };
  }
  parts.session = MakeSession(std::move(request), upgrade);
  parts.ended = [this, ticket = std::move(ticket)](Connection* connection) {
    connections_.erase(connection->shared_from_this());
  };
  auto connection = std::make_shared<Connection>(io_, std::move(parts));
  connections_.insert(connection);
  connection->Start();
}

void StreamServer::Impl::CloseAll() {
  closing_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  for (const auto& connection : connections_) connection->Abort();
}

void StreamServer::Impl::Stop() {
  io_.stop();
  if (thread_.joinable()) thread_.join();
}

std::string StreamServer::Impl::UrlOf(const core::StreamRequest& request,
                                      absl::string_view token) const {
  static constexpr absl::string_view kKinds[] = {"exec", "attach",
                                                 "portforward"};
  static_assert(std::variant_size_v<core::StreamRequest> == std::size(kKinds));
  return absl::StrCat(tls_ == nullptr ? "http" : "https", "://", authority_,
                      "/", kKinds[request.index()], "/", token);
}

StreamServer::StreamServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<StreamServer>> StreamServer::Start(
    const StreamServerOptions& options, core::StreamService& service) {
  auto impl = std::make_unique<Impl>(options, service);
  RETURN_IF_ERROR(impl->LoadTls()) << "streaming server";
  RETURN_IF_ERROR(impl->Listen()) << "streaming server";
  RETURN_IF_ERROR(impl->Run()) << "streaming server";
  return std::unique_ptr<StreamServer>(new StreamServer(std::move(impl)));
}

StreamServer::~StreamServer() {
  Close();
  impl_->Stop();
}

absl::StatusOr<std::string> StreamServer::UrlFor(core::StreamRequest request) {
  const core::StreamRequest kind = request;
  ASSIGN_OR_RETURN(std::string token, impl_->tokens().Add(std::move(request)));
  return impl_->UrlOf(kind, token);
}

void StreamServer::Close() {
  // Twice through the thread: closing posts the last events of connections.
  for (int round = 0; round < 2; ++round) {
    absl::Notification done;
    boost::asio::post(impl_->io(), [this, round, &done] {
      if (round == 0) impl_->CloseAll();
      done.Notify();
    });
    done.WaitForNotification();
  }
}

}  // namespace gantry::streaming
