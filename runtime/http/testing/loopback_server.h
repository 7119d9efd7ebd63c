// An HTTP/1.1 server of a few lines on 127.0.0.1, for tests: one thread, one
// connection at a time, whatever bytes the handler says.

#ifndef GANTRY_RUNTIME_HTTP_TESTING_LOOPBACK_SERVER_H_
#define GANTRY_RUNTIME_HTTP_TESTING_LOOPBACK_SERVER_H_

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"

namespace gantry::http {

class LoopbackServer {
 public:
  // Given the request's head and body, answers with the raw bytes of a
  // response; the connection is closed after it, unless `keep`. An empty answer
  // stalls until the end.
  using Handler = std::function<std::string(const std::string& request)>;

  explicit LoopbackServer(Handler handler, bool keep = false)
      : handler_(std::move(handler)), keep_(keep) {
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_.get(), generic, length) != 0 ||
        listen(listener_.get(), 64) != 0 ||
        getsockname(listener_.get(), generic, &length) != 0) {
      listener_.Reset();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~LoopbackServer() {
    stop_ = true;
    thread_.join();
  }

  std::string Url(absl::string_view path) const {
    return absl::StrCat("http://127.0.0.1:", port_, path);
  }
  int port() const { return port_; }

  std::vector<std::string> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

  // A whole answer with its Content-Length.
  static std::string Answer(int status, absl::string_view body,
                            absl::string_view headers = "") {
    return absl::StrCat("HTTP/1.1 ", status,
                        " X\r\nContent-Length: ", body.size(),
                        "\r\nConnection: close\r\n", headers, "\r\n", body);
  }

 private:
  bool Readable(int fd) const {
    while (!stop_) {
      pollfd entry = {fd, POLLIN, 0};
      if (poll(&entry, 1, 20) > 0) return true;
    }
    return false;
  }

  void Serve() {
    while (Readable(listener_.get())) {
      UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      while (peer && Answer(peer.get()) && keep_) {
      }
    }
  }

  // Whether the head and as much as its Content-Length says is there.
  static bool IsWhole(absl::string_view request) {
    const size_t head = request.find("\r\n\r\n");
    if (head == absl::string_view::npos) return false;
    constexpr absl::string_view kLength = "Content-Length: ";
    const size_t length = request.find(kLength);
    if (length == absl::string_view::npos || length > head) return true;
    absl::string_view digits = request.substr(length + kLength.size());
    size_t bytes = 0;
    return absl::SimpleAtoi(digits.substr(0, digits.find('\r')), &bytes) &&
           request.size() >= head + 4 + bytes;
  }

  // Whether there may be a next request.
  bool Answer(int peer) {
    std::string request;
    char buffer[4096];
    while (!IsWhole(request)) {
      if (!Readable(peer)) return false;
      const ssize_t n = recv(peer, buffer, sizeof(buffer), 0);
      if (n <= 0) return false;
      request.append(buffer, n);
    }
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(request);
    }
    const std::string answer = handler_(request);
    if (answer.empty()) {
      // Until the client gives up.
      if (Readable(peer)) return false;
    }
    for (size_t at = 0; at < answer.size();) {
      const ssize_t n =
          send(peer, answer.data() + at, answer.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return false;
      at += n;
    }
    return true;
  }

  Handler handler_;
  const bool keep_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  mutable absl::Mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace gantry::http

#endif  // GANTRY_RUNTIME_HTTP_TESTING_LOOPBACK_SERVER_H_
