#include "runtime/http/curl_client.h"

#include <curl/curl.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/http/multi_pool.h"

namespace gantry::http {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kHighWater = size_t{1} << 20;
constexpr size_t kMaxHeaderBytes = size_t{256} << 10;
constexpr long kReceiveBuffer = 512L << 10;
// How often a waiting transfer looks at `cancelled`.
constexpr int kPollMillis = 100;
// Over which time of waiting the least speed is measured.
constexpr absl::Duration kSpeedWindow = absl::Minutes(1);

absl::StatusCode CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
      return absl::StatusCode::kUnavailable;
    case CURLE_OPERATION_TIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return absl::StatusCode::kPermissionDenied;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::StatusCode::kInvalidArgument;
    case CURLE_OUT_OF_MEMORY:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

bool HasControlByte(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) {
    return (c < ' ' && c != '\t') || c == 0x7f;
  });
}

// One request and its answer, without redirects.
class CurlResponse : public Response {
 public:
  CurlResponse(std::shared_ptr<MultiPool> pool, const Request& request, Url url)
      : pool_(std::move(pool)), request_(request), url_(std::move(url)) {}
  ~CurlResponse() override;

  // Sends and waits for the headers.
  absl::Status Start();

  int status() const override { return status_; }
  const Headers& headers() const override { return headers_; }
  const Url& url() const override { return url_; }
  std::string peer_address() const override;
  absl::StatusOr<absl::string_view> Next() override;

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    if (setup_ == CURLE_OK) setup_ = curl_easy_setopt(easy_, option, value);
  }
  absl::Status SetUp();
  void SetUpTls();
  bool UsesProxy() const;
  // Moves the transfer on and waits for it once.
  absl::Status Step();
  // Counts what was waited for against the least speed.
  absl::Status CheckSpeed(absl::Duration waited);
  void TakeResult();
  absl::Status Failure() const;
  std::string What() const;

  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static curl_socket_t OnSocket(void* self, curlsocktype purpose,
                                curl_sockaddr* address);

  std::shared_ptr<MultiPool> pool_;
  const Request request_;
  Url url_;
  CURLM* multi_ = nullptr;
  CURL* easy_ = nullptr;
  curl_slist* sent_headers_ = nullptr;
  CURLcode setup_ = CURLE_OK;
  char error_[CURL_ERROR_SIZE] = {};

  int status_ = 0;
  Headers headers_;
  size_t header_bytes_ = 0;
  bool headers_done_ = false;
  bool paused_ = false;
  bool done_ = false;
  CURLcode result_ = CURLE_OK;
  absl::Status refused_;  // an address that was not allowed
  std::string in_;        // arrived
  std::string out_;       // handed out by Next
  SteadyClock::time_point last_byte_;
  // Of the speed's window.
  absl::Duration waited_;
  int64_t window_bytes_ = 0;
};

CurlResponse::~CurlResponse() {
  if (easy_ != nullptr) {
    if (multi_ != nullptr) curl_multi_remove_handle(multi_, easy_);
    curl_easy_cleanup(easy_);
  }
  if (multi_ != nullptr) pool_->Give(request_.connection_group, multi_);
  curl_slist_free_all(sent_headers_);
}

bool CurlResponse::UsesProxy() const {
  return !request_.proxy.empty() && !IsLoopbackHost(url_.host) &&
         !IsNamedHost(url_.host, request_.no_proxy);
}

std::string CurlResponse::peer_address() const {
  const char* address = nullptr;
  if (UsesProxy() ||
      curl_easy_getinfo(easy_, CURLINFO_PRIMARY_IP, &address) != CURLE_OK) {
    return "";
  }
  return address == nullptr ? "" : address;
}

std::string CurlResponse::What() const {
  return absl::StrCat(request_.method == Method::kHead   ? "HEAD "
                      : request_.method == Method::kPost ? "POST "
                                                         : "GET ",
                      url_.ForErrors());
}

absl::Status CurlResponse::Failure() const {
  if (!refused_.ok()) return Annotate(refused_, What());
  absl::string_view detail = absl::StripAsciiWhitespace(error_);
  return absl::Status(CodeOf(result_),
                      absl::StrCat(What(), ": ", curl_easy_strerror(result_),
                                   detail.empty() ? "" : " (", detail,
                                   detail.empty() ? "" : ")"));
}

void CurlResponse::SetUpTls() {
  const TlsOptions& tls = request_.tls;
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0L : 1L);
  Set(CURLOPT_SSL_VERIFYHOST, tls.insecure_skip_verify ? 0L : 2L);
  if (!tls.more_authorities.empty()) {
    // The system's own come from its directory (CURLOPT_CAPATH) then.
    curl_blob pem = {.data = const_cast<char*>(tls.more_authorities.data()),
                     .len = tls.more_authorities.size(),
                     .flags = CURL_BLOB_COPY};
    Set(CURLOPT_CAINFO_BLOB, &pem);
  } else if (!tls.ca_file.empty()) {
    Set(CURLOPT_CAINFO, tls.ca_file.c_str());
  }
  if (!tls.client_certificate.empty()) {
    Set(CURLOPT_SSLCERT, tls.client_certificate.c_str());
  }
  if (!tls.client_key.empty()) Set(CURLOPT_SSLKEY, tls.client_key.c_str());
}

absl::Status CurlResponse::SetUp() {
  for (const auto& [name, value] : request_.headers.all()) {
    if (name.empty() || HasControlByte(name) || HasControlByte(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat(What(), ": control byte in header ", name));
    }
    curl_slist* more = curl_slist_append(
        sent_headers_, absl::StrCat(name, ": ", value).c_str());
    if (more == nullptr) return absl::ResourceExhaustedError(What());
    sent_headers_ = more;
  }
  Set(CURLOPT_ERRORBUFFER, error_);
  Set(CURLOPT_URL, url_.ToString().c_str());
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  Set(CURLOPT_HTTPHEADER, sent_headers_);
  Set(CURLOPT_BUFFERSIZE, kReceiveBuffer);
  // Empty: the environment's proxy variables are not followed.
  Set(CURLOPT_PROXY, UsesProxy() ? request_.proxy.c_str() : "");
  Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  Set(CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(absl::ToInt64Milliseconds(request_.connect_timeout)));
  if (request_.method == Method::kHead) Set(CURLOPT_NOBODY, 1L);
  if (request_.method == Method::kPost) {
    Set(CURLOPT_POST, 1L);
    Set(CURLOPT_POSTFIELDSIZE_LARGE,
        static_cast<curl_off_t>(request_.body.size()));
    Set(CURLOPT_POSTFIELDS, request_.body.data());
  }
  if (request_.range) {
    const std::string range = absl::StrCat(
        request_.range->first, "-",
        request_.range->last ? absl::StrCat(*request_.range->last) : "");
    Set(CURLOPT_RANGE, range.c_str());
  }
  if (request_.check_address && !UsesProxy()) {
    Set(CURLOPT_OPENSOCKETFUNCTION, &CurlResponse::OnSocket);
    Set(CURLOPT_OPENSOCKETDATA, this);
  }
  Set(CURLOPT_HEADERFUNCTION, &CurlResponse::OnHeader);
  Set(CURLOPT_HEADERDATA, this);
  Set(CURLOPT_WRITEFUNCTION, &CurlResponse::OnBody);
  Set(CURLOPT_WRITEDATA, this);
  SetUpTls();
  if (setup_ != CURLE_OK) {
    return absl::InternalError(
        absl::StrCat(What(), ": set up libcurl: ", curl_easy_strerror(setup_)));
  }
  return absl::OkStatus();
}

size_t CurlResponse::OnHeader(char* data, size_t size, size_t count,
                              void* self) {
  auto* me = static_cast<CurlResponse*>(self);
  const size_t bytes = size * count;
  absl::string_view line(data, bytes);
  me->last_byte_ = SteadyClock::now();
  me->header_bytes_ += bytes;
  if (me->header_bytes_ > kMaxHeaderBytes) return 0;
  line = absl::StripAsciiWhitespace(line);
  if (absl::StartsWith(line, "HTTP/")) {
    // The final answer, or an interim one (1xx) before it.
    const size_t space = line.find(' ');
    me->headers_ = Headers();
    me->status_ = 0;
    if (space == absl::string_view::npos ||
        !absl::SimpleAtoi(line.substr(space + 1, 3), &me->status_)) {
      return 0;
    }
  } else if (line.empty()) {
    me->headers_done_ = me->status_ >= 200;
  } else if (!me->headers_done_) {
    const size_t colon = line.find(':');
    if (colon != absl::string_view::npos) {
      me->headers_.Add(line.substr(0, colon),
                       absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
  }
  return bytes;
}

size_t CurlResponse::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* me = static_cast<CurlResponse*>(self);
  if (me->in_.size() >= kHighWater) {
    me->paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  me->last_byte_ = SteadyClock::now();
  me->window_bytes_ += size * count;
  me->in_.append(data, size * count);
  return size * count;
}

curl_socket_t CurlResponse::OnSocket(void* self, curlsocktype,
                                     curl_sockaddr* address) {
  auto* me = static_cast<CurlResponse*>(self);
  char host[NI_MAXHOST];
  if (getnameinfo(&address->addr, address->addrlen, host, sizeof(host), nullptr,
                  0, NI_NUMERICHOST) != 0) {
    return CURL_SOCKET_BAD;
  }
  absl::Status allowed = me->request_.check_address(host);
  if (!allowed.ok()) {
    me->refused_ = std::move(allowed);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC,
                address->protocol);
}

void CurlResponse::TakeResult() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE || message->easy_handle != easy_) continue;
    done_ = true;
    result_ = message->data.result;
  }
}

absl::Status CurlResponse::CheckSpeed(absl::Duration waited) {
  waited_ += waited;
  if (waited_ < kSpeedWindow) return absl::OkStatus();
  const double least =
      request_.least_bytes_per_second * absl::ToDoubleSeconds(waited_);
  if (window_bytes_ < least) {
    return absl::DeadlineExceededError(absl::StrCat(
        What(), ": ", window_bytes_, " bytes in ",
        absl::FormatDuration(absl::Floor(waited_, absl::Seconds(1))),
        ", that is too slow"));
  }
  waited_ = absl::ZeroDuration();
  window_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status CurlResponse::Step() {
  int running = 0;
  CURLMcode code = curl_multi_perform(multi_, &running);
  if (code == CURLM_OK) {
    TakeResult();
    if (done_ || !in_.empty()) return absl::OkStatus();
    code = curl_multi_poll(multi_, nullptr, 0, kPollMillis, nullptr);
  }
  if (code != CURLM_OK) {
    return absl::InternalError(
        absl::StrCat(What(), ": ", curl_multi_strerror(code)));
  }
  if (request_.cancelled && request_.cancelled()) {
    return absl::CancelledError(absl::StrCat(What(), ": cancelled"));
  }
  absl::Duration limit = request_.stall_timeout;
  if (!headers_done_) limit += request_.connect_timeout;
  if (absl::FromChrono(SteadyClock::now() - last_byte_) > limit) {
    return absl::DeadlineExceededError(
        absl::StrCat(What(), ": no byte for ", absl::FormatDuration(limit)));
  }
  return absl::OkStatus();
}

absl::Status CurlResponse::Start() {
  multi_ = pool_->Take(request_.connection_group);
  easy_ = curl_easy_init();
  if (multi_ == nullptr || easy_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat(What(), ": set up"));
  }
  RETURN_IF_ERROR(SetUp());
  last_byte_ = SteadyClock::now();
  const CURLMcode code = curl_multi_add_handle(multi_, easy_);
  if (code != CURLM_OK) {
    return absl::InternalError(
        absl::StrCat(What(), ": ", curl_multi_strerror(code)));
  }
  while (!headers_done_ && !done_) RETURN_IF_ERROR(Step());
  if (done_ && result_ != CURLE_OK && !headers_done_) return Failure();
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> CurlResponse::Next() {
  out_.clear();
  // The time the reader took is not the peer's.
  last_byte_ = SteadyClock::now();
  const SteadyClock::time_point begin = last_byte_;
  absl::Duration counted;
  while (in_.empty() && !done_) {
    if (paused_) {
      paused_ = false;
      curl_easy_pause(easy_, CURLPAUSE_CONT);
      if (!in_.empty()) break;
    }
    RETURN_IF_ERROR(Step());
    const absl::Duration waited = absl::FromChrono(SteadyClock::now() - begin);
    RETURN_IF_ERROR(CheckSpeed(waited - counted));
    counted = waited;
  }
  if (in_.empty() && result_ != CURLE_OK) return Failure();
  std::swap(in_, out_);
  return absl::string_view(out_);
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 ||
         status == 308;
}

class CurlClient : public Client {
 public:
  absl::StatusOr<std::unique_ptr<Response>> Send(
      const Request& request) override;

 private:
  absl::Status Redirect(const Response& from, Request* request, Url* url);

  std::shared_ptr<MultiPool> pool_ = std::make_shared<MultiPool>();
};

absl::Status CurlClient::Redirect(const Response& from, Request* request,
                                  Url* url) {
  const std::string what =
      absl::StrCat("redirect from ", from.url().ForErrors());
  ASSIGN_OR_RETURN(Url to, ResolveUrl(*url, from.headers().Get("Location")),
                   what);
  if (url->scheme == "https" && to.scheme != "https") {
    return absl::PermissionDeniedError(
        absl::StrCat(what, " leaves https for ", to.ForErrors()));
  }
  if (!to.SameOrigin(*url)) {
    request->headers.Remove("Authorization");
    request->headers.Remove("Cookie");
    request->tls.client_certificate.clear();
    request->tls.client_key.clear();
  }
  if (to.host != url->host) request->tls.insecure_skip_verify = false;
  if (request->on_redirect) {
    RETURN_IF_ERROR(request->on_redirect(from, to, request)) << what;
  }
  *url = std::move(to);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Response>> CurlClient::Send(
    const Request& request) {
  Request current = request;
  ASSIGN_OR_RETURN(Url url, ParseUrl(request.url));
  for (int hop = 0; hop <= request.max_redirects; ++hop) {
    auto response = std::make_unique<CurlResponse>(pool_, current, url);
    RETURN_IF_ERROR(response->Start());
    if (!IsRedirect(response->status()) ||
        response->headers().Get("Location").empty()) {
      return response;
    }
    RETURN_IF_ERROR(Redirect(*response, &current, &url));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      url.ForErrors(), ": more than ", request.max_redirects, " redirects"));
}

}  // namespace

std::unique_ptr<Client> NewCurlClient() {
  // Once per process, before any thread uses libcurl through this client.
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)initialised;
  return std::make_unique<CurlClient>();
}

}  // namespace gantry::http
