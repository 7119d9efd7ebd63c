#include "runtime/http/curl_client.h"

#include <atomic>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/http/client.h"
#include "runtime/http/testing/loopback_server.h"

namespace gantry::http {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

TEST(CurlClient, StreamsABodyThroughWithItsHeaders) {
  std::string body(5'000'000, 'x');
  for (size_t i = 0; i < body.size(); i += 7) body[i] = static_cast<char>(i);
  LoopbackServer server([&](const std::string&) {
    return LoopbackServer::Answer(200, body, "X-Name: value\r\n");
  });
  auto client = NewCurlClient();
  ASSERT_OK_AND_ASSIGN(auto response, client->Send({.url = server.Url("/b")}));
  EXPECT_EQ(response->status(), 200);
  EXPECT_EQ(response->headers().Get("x-name"), "value");
  ASSERT_OK_AND_ASSIGN(std::string got, ReadBody(response.get(), 6'000'000));
  EXPECT_TRUE(got == body);
}

TEST(CurlClient, SendsHeadersMethodAndRange) {
  LoopbackServer server(
      [](const std::string&) { return LoopbackServer::Answer(206, ""); });
  auto client = NewCurlClient();
  Request request = {.method = Method::kHead, .url = server.Url("/b?q=1")};
  request.headers.Add("Accept", "a/b");
  request.range = ByteRange{.first = 5, .last = 9};
  ASSERT_OK_AND_ASSIGN(auto response, client->Send(request));
  EXPECT_EQ(response->status(), 206);
  const std::string sent = server.requests().at(0);
  EXPECT_THAT(sent, HasSubstr("HEAD /b?q=1 HTTP/1.1"));
  EXPECT_THAT(sent, HasSubstr("Accept: a/b"));
  EXPECT_THAT(sent, HasSubstr("Range: bytes=5-9"));
}

TEST(CurlClient, PostSendsItsBodyAndTellsItToNobodyElse) {
  LoopbackServer server([](const std::string& request) {
    return absl::StrContains(request, "POST /token ")
               ? LoopbackServer::Answer(200, "yes")
               : LoopbackServer::Answer(307, "", "Location: /token\r\n");
  });
  auto client = NewCurlClient();
  Request request = {.method = Method::kPost, .url = server.Url("/token")};
  request.body = "a=1&b=2";
  request.headers.Set("Content-Type", "text/x-test");
  request.max_redirects = 0;
  ASSERT_OK_AND_ASSIGN(auto response, client->Send(request));
  EXPECT_THAT(ReadBody(response.get(), 100), IsOkAndHolds("yes"));
  const std::string sent = server.requests().at(0);
  EXPECT_THAT(sent, HasSubstr("Content-Type: text/x-test"));
  EXPECT_THAT(sent, EndsWith("\r\n\r\na=1&b=2"));

  request.url = server.Url("/moved");
  EXPECT_THAT(client->Send(request),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(server.requests(), SizeIs(2));
}

TEST(CurlClient, ShortBodyIsUnavailable) {
  LoopbackServer server([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
  });
  auto client = NewCurlClient();
  ASSERT_OK_AND_ASSIGN(auto response, client->Send({.url = server.Url("/")}));
  EXPECT_THAT(ReadBody(response.get(), 1000),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(CurlClient, RefusedConnectionIsUnavailable) {
  int port = 0;
  {
    LoopbackServer gone([](const std::string&) { return "x"; });
    port = gone.port();
  }
  auto client = NewCurlClient();
  EXPECT_THAT(
      client->Send({.url = absl::StrCat("http://127.0.0.1:", port, "/")}),
      StatusIs(absl::StatusCode::kUnavailable));
}

TEST(CurlClient, StallEndsInDeadlineExceeded) {
  LoopbackServer server([](const std::string&) { return ""; });
  auto client = NewCurlClient();
  Request request = {.url = server.Url("/")};
  request.connect_timeout = absl::Milliseconds(100);
  request.stall_timeout = absl::Milliseconds(100);
  EXPECT_THAT(client->Send(request),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(CurlClient, CancelEndsTheWait) {
  LoopbackServer server([](const std::string&) { return ""; });
  auto client = NewCurlClient();
  Request request = {.url = server.Url("/")};
  request.cancelled = [] { return true; };
  EXPECT_THAT(client->Send(request), StatusIs(absl::StatusCode::kCancelled));
}

TEST(CurlClient, CredentialsStayWithTheirOrigin) {
  LoopbackServer other(
      [](const std::string&) { return LoopbackServer::Answer(200, "got"); });
  LoopbackServer server([&](const std::string& request) {
    const bool first = absl::StrContains(request, "GET /first");
    return LoopbackServer::Answer(
        307, "",
        absl::StrCat("Location: ", first ? "/second" : other.Url("/third"),
                     "\r\n"));
  });
  auto client = NewCurlClient();
  Request request = {.url = server.Url("/first")};
  request.headers.Add("Authorization", "Bearer secret");
  ASSERT_OK_AND_ASSIGN(auto response, client->Send(request));
  EXPECT_THAT(ReadBody(response.get(), 10), IsOkAndHolds("got"));
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_THAT(server.requests()[1], HasSubstr("Bearer secret"));
  EXPECT_THAT(other.requests().at(0), Not(HasSubstr("secret")));
}

TEST(CurlClient, RedirectHookMayRefuse) {
  LoopbackServer server([](const std::string&) {
    return LoopbackServer::Answer(
        302, "", "Location: http://169.254.169.254/latest?token=s\r\n");
  });
  auto client = NewCurlClient();
  Request request = {.url = server.Url("/")};
  request.on_redirect = [](const Response&, const Url& to, Request*) {
    return absl::PermissionDeniedError("not to " + to.host);
  };
  EXPECT_THAT(client->Send(request),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("not to 169.254.169.254")));
}

TEST(CurlClient, RedirectToAnotherSchemeIsRefused) {
  LoopbackServer server([](const std::string&) {
    return LoopbackServer::Answer(302, "", "Location: file:///etc/passwd\r\n");
  });
  auto client = NewCurlClient();
  EXPECT_THAT(client->Send({.url = server.Url("/")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CurlClient, EndlessRedirectsEnd) {
  LoopbackServer server([](const std::string&) {
    return LoopbackServer::Answer(302, "", "Location: /again\r\n");
  });
  auto client = NewCurlClient();
  EXPECT_THAT(client->Send({.url = server.Url("/"), .max_redirects = 3}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST(CurlClient, AddressCheckRunsBeforeTheConnection) {
  LoopbackServer server(
      [](const std::string&) { return LoopbackServer::Answer(200, ""); });
  auto client = NewCurlClient();
  Request request = {.url = server.Url("/")};
  request.check_address = [](absl::string_view address) {
    return absl::PermissionDeniedError(absl::StrCat("not to ", address));
  };
  EXPECT_THAT(client->Send(request),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("not to 127.0.0.1")));
  EXPECT_EQ(server.requests().size(), 0u);
}

TEST(CurlClient, PeerIsTold) {
  LoopbackServer server(
      [](const std::string&) { return LoopbackServer::Answer(200, ""); });
  auto client = NewCurlClient();
  ASSERT_OK_AND_ASSIGN(auto response, client->Send({.url = server.Url("/")}));
  EXPECT_EQ(response->peer_address(), "127.0.0.1");
}

// The stricter check has the last word, though a connection to the same place
// is open. Fails if the pool does not look at the group.
TEST(CurlClient, KeptConnectionsStayInTheirGroup) {
  std::atomic<int> connections = 0;
  auto client = NewCurlClient();
  Request request;
  request.check_address = [&](absl::string_view) {
    ++connections;
    return absl::OkStatus();
  };
  LoopbackServer server(
      [](const std::string&) {
        return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      },
      true);
  request.url = server.Url("/");
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(auto response, client->Send(request));
    EXPECT_THAT(ReadBody(response.get(), 1), IsOkAndHolds(""));
  }
  EXPECT_EQ(connections, 1);
  request.check_address = [](absl::string_view) {
    return absl::PermissionDeniedError("no");
  };
  request.connection_group = 1;
  EXPECT_THAT(client->Send(request),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST(CurlClient, RedirectHookMayChangeTheNextRequest) {
  LoopbackServer server([](const std::string& request) {
    return absl::StrContains(request, "GET /first")
               ? LoopbackServer::Answer(302, "", "Location: /second\r\n")
               : LoopbackServer::Answer(200, "");
  });
  auto client = NewCurlClient();
  Request request = {.url = server.Url("/first")};
  request.on_redirect = [](const Response& from, const Url& to, Request* next) {
    EXPECT_EQ(from.peer_address(), "127.0.0.1");
    EXPECT_EQ(to.target, "/second");
    next->headers.Set("X-Hop", "2");
    return absl::OkStatus();
  };
  ASSERT_OK(client->Send(request));
  EXPECT_THAT(server.requests().at(1), HasSubstr("X-Hop: 2"));
}

TEST(CurlClient, ProxyIsLeftOutForNamedHosts) {
  LoopbackServer proxy(
      [](const std::string&) { return LoopbackServer::Answer(200, "proxy"); });
  auto client = NewCurlClient();
  Request request = {.url = "http://r.invalid/x", .proxy = proxy.Url("")};
  ASSERT_OK_AND_ASSIGN(auto response, client->Send(request));
  EXPECT_THAT(ReadBody(response.get(), 10), IsOkAndHolds("proxy"));
  EXPECT_THAT(proxy.requests().at(0), HasSubstr("GET http://r.invalid/x "));
  EXPECT_EQ(response->peer_address(), "");
  request.no_proxy = {".invalid"};
  EXPECT_THAT(client->Send(request), StatusIs(absl::StatusCode::kUnavailable));
  LoopbackServer direct(
      [](const std::string&) { return LoopbackServer::Answer(200, "direct"); });
  request.url = direct.Url("/");
  ASSERT_OK_AND_ASSIGN(response, client->Send(request));
  EXPECT_THAT(ReadBody(response.get(), 10), IsOkAndHolds("direct"));
  EXPECT_THAT(proxy.requests(), SizeIs(1));
}

TEST(CurlClient, HeaderInjectionIsRefused) {
  auto client = NewCurlClient();
  Request request = {.url = "http://127.0.0.1:1/"};
  request.headers.Add("X", "a\r\nY: b");
  EXPECT_THAT(client->Send(request),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CurlClient, EndlessHeadersAreCut) {
  LoopbackServer server([](const std::string&) {
    std::string answer = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 4000; ++i) {
      absl::StrAppend(&answer, "X-", i, ": ", std::string(100, 'h'), "\r\n");
    }
    return answer + "\r\n";
  });
  auto client = NewCurlClient();
  EXPECT_THAT(client->Send({.url = server.Url("/")}),
              Not(gantry::testing::IsOk()));
}

}  // namespace
}  // namespace gantry::http
