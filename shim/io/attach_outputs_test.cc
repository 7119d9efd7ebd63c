#include "shim/io/attach_outputs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {
namespace {

sockaddr_in Loopback(in_port_t port) {
  return {.sin_family = AF_INET,
          .sin_port = port,
          .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
          .sin_zero = {}};
}

// On a port of the kernel's choice if `port` is 0; that is written there.
UniqueFd Receiver(in_port_t& port) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(port);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size),
            0);
  port = address.sin_port;
  return fd;
}

bool Await(const UniqueFd& fd, int16_t event) {
  pollfd waiting = {.fd = fd.get(), .events = event, .revents = 0};
  constexpr int kMilliseconds = 20'000;
  return poll(&waiting, 1, kMilliseconds) == 1 &&
         (waiting.revents & event) != 0;
}

// A socket whose next write fails once (udp(7): the peer's ICMP error is told
// to the next call), to `receiver`, whose port was nobody's before.
UniqueFd FailsOnce(UniqueFd& receiver) {
  in_port_t port = 0;
  receiver = Receiver(port);
  receiver.Reset();
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address)),
            0);
  EXPECT_EQ(write(fd.get(), "x", 1), 1);
  EXPECT_TRUE(Await(fd, POLLERR));
  receiver = Receiver(port);
  return fd;
}

TEST(AttachOutputs, AWriteThatFailsOnceIsDoneOver) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<sys::EpollLoop> loop,
                       sys::EpollLoop::Create());
  UniqueFd receiver;
  UniqueFd client = FailsOnce(receiver);
  AttachOutputs outputs(*loop);
  ASSERT_OK(outputs.Add(Stream::kStdout, std::move(client)));
  outputs.Write(Stream::kStdout, "output");
  EXPECT_EQ(outputs.size(), 1);
  ASSERT_TRUE(Await(receiver, POLLIN));
  char got[16];
  const ssize_t size = read(receiver.get(), got, sizeof(got));
  ASSERT_GT(size, 0);
  EXPECT_EQ(absl::string_view(got, static_cast<size_t>(size)), "output");
}

TEST(AttachOutputs, AClientThatCannotBeWrittenToIsDropped) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<sys::EpollLoop> loop,
                       sys::EpollLoop::Create());
  AttachOutputs outputs(*loop);
  // Not connected: each write fails.
  ASSERT_OK(
      outputs.Add(Stream::kStdout,
                  UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))));
  outputs.Write(Stream::kStdout, "output");
  EXPECT_EQ(outputs.size(), 0);
}

}  // namespace
}  // namespace gantry::shim
