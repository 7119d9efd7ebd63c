#include "server/metrics/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"

namespace gantry::metrics {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One that was free a moment ago.
uint16_t FreePort() {
  UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(probe.get(), generic, size), 0);
  EXPECT_EQ(::getsockname(probe.get(), generic, &size), 0);
  return ntohs(address.sin_port);
}

class EndpointTest : public ::testing::Test {
 protected:
  UniqueFd Connect() const {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = Loopback(port_);
    EXPECT_EQ(
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                  sizeof(address)),
        0);
    return socket;
  }

  // The whole answer; what is no request gets none.
  std::string Ask(const std::string& request) const {
    UniqueFd socket = Connect();
    EXPECT_EQ(
        ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
        static_cast<ssize_t>(request.size()));
    std::string answer;
    char piece[4096];
    ssize_t got;
    while ((got = ::recv(socket.get(), piece, sizeof(piece), 0)) > 0) {
      answer.append(piece, got);
    }
    return answer;
  }

  absl::StatusOr<std::unique_ptr<Endpoint>> Start() const {
    return Endpoint::Start({"127.0.0.1", port_}, [] { return "numbers\n"; });
  }

  const uint16_t port_ = FreePort();
};

TEST_F(EndpointTest, GivesTheTextAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Endpoint> endpoint, Start());
  const std::string host = "Host: x\r\n\r\n";
  EXPECT_THAT(
      Ask("GET /metrics HTTP/1.1\r\n" + host),
      AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
            HasSubstr("Content-Type: text/plain; version=0.0.4"),
            HasSubstr("Content-Length: 8\r\n"), HasSubstr("\r\nnumbers\n")));
  EXPECT_THAT(Ask("GET /metrics?x=y HTTP/1.0\r\n\r\n"),
              HasSubstr("\r\nnumbers\n"));
  EXPECT_THAT(
      Ask("HEAD /metrics HTTP/1.1\r\n" + host),
      AllOf(HasSubstr("Content-Length: 8\r\n"), Not(HasSubstr("numbers"))));
  for (const char* path : {"/", "/etc/passwd", "/metrics/..", "/metrics/"}) {
    EXPECT_THAT(Ask(absl::StrCat("GET ", path, " HTTP/1.1\r\n", host)),
                StartsWith("HTTP/1.1 404 "))
        << path;
  }
  EXPECT_THAT(Ask("DELETE /metrics HTTP/1.1\r\n" + host),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_EQ(Ask("no HTTP\r\n\r\n"), "");
  EXPECT_EQ(Ask("GET /" + std::string(20000, 'x') + " HTTP/1.1\r\n\r\n"), "");
}

TEST_F(EndpointTest, ServesOthersWhileSomeSayNothing) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Endpoint> endpoint, Start());
  UniqueFd silent = Connect();
  UniqueFd other = Connect();
  EXPECT_THAT(Ask("GET /metrics HTTP/1.0\r\n\r\n"), HasSubstr("numbers"));
}

TEST_F(EndpointTest, AnAddressThatIsTakenIsTold) {
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Endpoint> first, Start());
  EXPECT_THAT(
      Start(),
      StatusIs(absl::StatusCode::kUnavailable,
               HasSubstr(absl::StrCat("serve metrics on 127.0.0.1:", port_,
                                      ": Address already in use"))));
  first.reset();
  EXPECT_OK(Start().status());
  EXPECT_THAT(Endpoint::Start({"203.0.113.7", port_}, [] { return ""; }),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace gantry::metrics
