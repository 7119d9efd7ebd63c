#include "server/streaming/loopback_connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <utility>

#include "boost/asio/posix/stream_descriptor.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "runtime/base/status.h"

namespace gantry::streaming {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience{10};

// 0, or the errno of the attempt; EINPROGRESS: it goes on.
int BeginToConnect(int fd, int domain, uint16_t port) {
  sockaddr_storage address = {};
  socklen_t size;
  if (domain == AF_INET) {
    auto* ipv4 = reinterpret_cast<sockaddr_in*>(&address);
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(port);
    ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof(*ipv4);
  } else {
    auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&address);
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(port);
    ipv6->sin6_addr = in6addr_loopback;
    size = sizeof(*ipv6);
  }
  return ::connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0
             ? 0
             : errno;
}

class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  using Done = std::function<void(absl::StatusOr<UniqueFd>)>;

  Attempt(boost::asio::io_context& io, UniqueFd socket, Done done)
      : descriptor_(io), timer_(io), done_(std::move(done)) {
    error_code failed;
    const int number = socket.Release();
    descriptor_.assign(number, failed);
    if (failed) UniqueFd closes(number);
  }

  void Begin(int domain, uint16_t port) {
    const int error =
        descriptor_.is_open()
            ? BeginToConnect(descriptor_.native_handle(), domain, port)
            : EMFILE;
    if (error != EINPROGRESS) {
      boost::asio::post(
          descriptor_.get_executor(),
          [self = shared_from_this(), error] { self->End(error); });
      return;
    }
    descriptor_.async_wait(Descriptor::wait_write,
                           [self = shared_from_this()](error_code failed) {
                             self->End(failed ? ECANCELED : self->Result());
                           });
    timer_.expires_after(kPatience);
    timer_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (!cancelled) self->End(ETIMEDOUT);
    });
  }

 private:
  int Result() {
    int error = 0;
    socklen_t size = sizeof(error);
    const int fd = descriptor_.native_handle();
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error
                                                                      : errno;
  }

  void End(int error) {
    if (done_ == nullptr) return;
    timer_.cancel();
    Done done = std::exchange(done_, nullptr);
    if (error == 0) {
      done(UniqueFd(descriptor_.release()));
    } else {
      error_code ignored;
      descriptor_.close(ignored);
      done(ErrnoStatus(error, "connect"));
    }
  }

  Descriptor descriptor_;
  boost::asio::steady_timer timer_;
  Done done_;
};

}  // namespace

void ConnectToLoopback(boost::asio::io_context& io, UniqueFd socket, int domain,
                       uint16_t port,
                       std::function<void(absl::StatusOr<UniqueFd>)> done) {
  std::make_shared<Attempt>(io, std::move(socket), std::move(done))
      ->Begin(domain, port);
}

}  // namespace gantry::streaming
