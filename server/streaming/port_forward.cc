#include "server/streaming/port_forward.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "server/streaming/loopback_connect.h"
#include "server/streaming/pump.h"

namespace gantry::streaming {
namespace {

using boost::system::error_code;

// For the client to open the second stream of a pair.
constexpr std::chrono::seconds kCreationTime{30};
// For the client to end its direction after the pod has ended its own.
constexpr std::chrono::seconds kAfterPodEnded{1};

absl::StatusOr<uint16_t> PortOf(const StreamHeaders& headers) {
  const std::string text = HeaderOf(headers, kPortHeader);
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text, &port) || port < 1 || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a port from 1 to 65535, found \"", text, "\""));
  }
  return static_cast<uint16_t>(port);
}

// Clients of old name no request: a pair's streams then follow one another,
// the error stream first.
std::string RequestIdOf(StreamId id, const StreamHeaders& headers,
                        bool is_error) {
  std::string request = HeaderOf(headers, kRequestIdHeader);
  if (!request.empty()) return request;
  return absl::StrCat("stream ", is_error ? id : id - 2);
}

}  // namespace

// One pair of streams and its connection to the pod.
class PortForwardSession::Forward
    : public std::enable_shared_from_this<Forward> {
 public:
  Forward(PortForwardSession& session, std::string key, uint16_t port)
      : session_(&session),
        io_(session.link_->io()),
        timer_(io_),
        key_(std::move(key)),
        port_(port) {}

  const std::string& key() const { return key_; }
  uint16_t port() const { return port_; }
  std::optional<StreamId>& data() { return data_; }
  std::optional<StreamId>& error() { return error_; }

  void WaitForOther();
  void Begin();
  void Write(absl::string_view data) { in_pump_->Write(data); }
  void ClientEnded();
  void OnRoom() {
    if (out_pump_ != nullptr) out_pump_->OnRoom();
  }
  // Ends both streams; `failure` is told to the client.
  void End(const absl::Status& failure);
  // Ends the connection to the pod; says nothing to the client.
  void Close();

 private:
  static work::Task<void> OpenSocket(std::shared_ptr<Forward> self,
                                     core::StreamService& service,
                                     boost::asio::io_context& io,
                                     std::string pod_id, int domain);
  void MakeInput();
  void TryToConnect(int domain);
  void OnSocket(int domain, absl::StatusOr<UniqueFd> socket);
  void OnConnected(int domain, absl::StatusOr<UniqueFd> socket);
  void Carry(UniqueFd socket);
  void PodEnded(const absl::Status& end);

  // Null after Close.
  PortForwardSession* session_;
  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  const std::string key_;
  const uint16_t port_;
  std::optional<StreamId> data_;
  std::optional<StreamId> error_;
  std::string ipv4_failure_;
  // Kept to shut one direction down.
  UniqueFd socket_;
  std::shared_ptr<InputPump> in_pump_;
  std::shared_ptr<OutputPump> out_pump_;
  bool client_ended_ = false;
};

void PortForwardSession::Forward::WaitForOther() {
  // Takes data from now on.
  MakeInput();
  timer_.expires_after(kCreationTime);
  timer_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (cancelled) return;
    self->End(absl::DeadlineExceededError(
        "the pair of its streams was not completed"));
  });
}

void PortForwardSession::Forward::Begin() {
  timer_.cancel();
  TryToConnect(AF_INET);
}

void PortForwardSession::Forward::MakeInput() {
  in_pump_ = std::make_shared<InputPump>(
      io_, InputPump::Callbacks{
               .hold =
                   [this](bool hold) {
                     if (session_ == nullptr) return;
                     Link& link = *session_->link_;
                     hold ? link.HoldInput() : link.ReleaseInput();
                   },
               .consumed =
                   [this](size_t size) {
                     if (session_ == nullptr) return;
                     session_->link_->streams().Consumed(*data_, size);
                   },
               .broken = nullptr,
               .ended = [this] { ::shutdown(socket_.get(), SHUT_WR); },
           });
}

void PortForwardSession::Forward::TryToConnect(int domain) {
  core::StreamService& service = session_->service_;
  service.node().tasks.Start(OpenSocket(shared_from_this(), service, io_,
                                        session_->request_.pod_id, domain));
}

work::Task<void> PortForwardSession::Forward::OpenSocket(
    std::shared_ptr<Forward> self, core::StreamService& service,
    boost::asio::io_context& io, std::string pod_id, int domain) {
  absl::StatusOr<UniqueFd> socket =
      co_await service.SocketInPod(std::move(pod_id), domain);
  boost::asio::post(io, [self, domain, socket = std::move(socket)]() mutable {
    self->OnSocket(domain, std::move(socket));
  });
}

void PortForwardSession::Forward::OnSocket(int domain,
                                           absl::StatusOr<UniqueFd> socket) {
  if (session_ == nullptr) return;
  if (!socket.ok()) {
    OnConnected(domain, socket.status());
    return;
  }
  ConnectToLoopback(
      io_, *std::move(socket), domain, port_,
      [self = shared_from_this(), domain](absl::StatusOr<UniqueFd> connected) {
        self->OnConnected(domain, std::move(connected));
      });
}

void PortForwardSession::Forward::OnConnected(int domain,
                                              absl::StatusOr<UniqueFd> socket) {
  if (session_ == nullptr) return;
  if (socket.ok()) {
    Carry(*std::move(socket));
  } else if (domain == AF_INET) {
    ipv4_failure_ = std::string(socket.status().message());
    TryToConnect(AF_INET6);
  } else {
    End(absl::UnavailableError(
        absl::StrCat("connect to port ", port_, ": IPv4: ", ipv4_failure_,
                     "; IPv6: ", socket.status().message())));
  }
}

void PortForwardSession::Forward::Carry(UniqueFd socket) {
  UniqueFd in(::fcntl(socket.get(), F_DUPFD_CLOEXEC, /*at least*/ 3));
  UniqueFd out(::fcntl(socket.get(), F_DUPFD_CLOEXEC, /*at least*/ 3));
  if (!in.valid() || !out.valid()) {
    End(ErrnoStatus(errno, "duplicate a socket"));
    return;
  }
  socket_ = std::move(socket);
  out_pump_ = std::make_shared<OutputPump>(
      io_, std::move(out),
      OutputPump::Callbacks{
          .has_room =
              [this] {
                return session_ == nullptr || session_->link_->HasRoom();
              },
          .deliver =
              [this](absl::string_view data) {
                if (session_ == nullptr) return;
                session_->link_->streams().Write(*data_, data);
              },
          .ended = [this](const absl::Status& end) { PodEnded(end); }});
  in_pump_->Start(std::move(in));
  out_pump_->Start();
}

void PortForwardSession::Forward::PodEnded(const absl::Status& end) {
  if (session_ == nullptr) return;
  if (!end.ok()) {
    End(end);
    return;
  }
  session_->link_->streams().End(*data_);
  if (client_ended_) {
    End(absl::OkStatus());
    return;
  }
  timer_.expires_after(kAfterPodEnded);
  timer_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled) self->End(absl::OkStatus());
  });
}

void PortForwardSession::Forward::ClientEnded() {
  client_ended_ = true;
  if (out_pump_ != nullptr && !out_pump_->open()) {
    End(absl::OkStatus());
  } else {
    in_pump_->End();
  }
}

void PortForwardSession::Forward::End(const absl::Status& failure) {
  if (session_ == nullptr) return;
  StreamCodec& streams = session_->link_->streams();
  if (!failure.ok()) {
    const std::string text =
        absl::StrCat("error forwarding port ", port_, " to pod ",
                     session_->request_.pod_id, ": ", failure.message());
    LOG(INFO) << "streaming: " << text;
    if (error_.has_value()) streams.Write(*error_, text);
  }
  if (error_.has_value()) streams.End(*error_);
  if (data_.has_value()) streams.End(*data_);
  auto self = shared_from_this();
  session_->Drop(this);
  Close();
}

void PortForwardSession::Forward::Close() {
  if (in_pump_ != nullptr) in_pump_->Close();
  if (out_pump_ != nullptr) out_pump_->Close();
  timer_.cancel();
  socket_.Reset();
  session_ = nullptr;
}

PortForwardSession::PortForwardSession(core::StreamService& service,
                                       core::PortForwardRequest request)
    : service_(service), request_(std::move(request)) {}

PortForwardSession::~PortForwardSession() = default;

absl::Status PortForwardSession::OnOpen(StreamId id,
                                        const StreamHeaders& headers) {
  const std::string type = HeaderOf(headers, kStreamTypeHeader);
  const bool is_error = type == "error";
  if (!is_error && type != "data") {
    return absl::InvalidArgumentError(
        absl::StrCat("stream type \"", type, "\" is not known"));
  }
  ASSIGN_OR_RETURN(const uint16_t port, PortOf(headers));
  const std::string key = RequestIdOf(id, headers, is_error);
  auto known = forwards_.find(key);
  if (known == forwards_.end()) {
    if (forwards_.size() >= kMaxForwards) {
      return absl::ResourceExhaustedError("too many ports are forwarded");
    }
    known = forwards_.emplace(key, std::make_shared<Forward>(*this, key, port))
                .first;
    known->second->WaitForOther();
  }
  ForwardPtr forward = known->second;
  std::optional<StreamId>& slot = is_error ? forward->error() : forward->data();
  if (slot.has_value() || forward->port() != port) {
    return absl::AlreadyExistsError(
        absl::StrCat("request ", key, " has such a stream already"));
  }
  slot = id;
  if (forward->data().has_value() && forward->error().has_value()) {
    forward->Begin();
  }
  return absl::OkStatus();
}

PortForwardSession::ForwardPtr PortForwardSession::FindByData(StreamId id) {
  for (const auto& [key, forward] : forwards_) {
    if (forward->data() == id) return forward;
  }
  return nullptr;
}

void PortForwardSession::OnData(StreamId id, absl::string_view data) {
  ForwardPtr forward = FindByData(id);
  if (forward == nullptr) {
    link_->streams().Consumed(id, data.size());
    return;
  }
  forward->Write(data);
}

void PortForwardSession::OnEnd(StreamId id) {
  if (ForwardPtr forward = FindByData(id)) forward->ClientEnded();
}

void PortForwardSession::OnReset(StreamId id) {
  // The error stream alone says nothing about the data.
  if (ForwardPtr forward = FindByData(id)) forward->End(absl::OkStatus());
}

void PortForwardSession::OnRoom() {
  // Those that end at this are dropped from the map meanwhile.
  std::map<std::string, ForwardPtr> forwards = forwards_;
  for (const auto& [key, forward] : forwards) forward->OnRoom();
}

void PortForwardSession::OnGone() {
  std::map<std::string, ForwardPtr> forwards = std::move(forwards_);
  forwards_.clear();
  for (const auto& [key, forward] : forwards) forward->Close();
  link_ = nullptr;
}

void PortForwardSession::Drop(Forward* forward) {
  forwards_.erase(forward->key());
}

}  // namespace gantry::streaming
