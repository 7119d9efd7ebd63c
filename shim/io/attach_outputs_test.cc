#include "shim/io/attach_outputs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

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
  std::string got(16, '\0');
  got.resize(std::max<ssize_t>(
      recv(receiver.get(), got.data(), got.size(), MSG_DONTWAIT), 0));
  EXPECT_EQ(got, "output");
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
