#include "runtime/image/registry_client.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/base/status.h"
#include "runtime/http/url.h"
#include "runtime/image/registry_auth.h"
#include "runtime/json/json.h"

namespace gantry::image {
namespace {

// How this program calls itself to token servers.
constexpr char kClientId[] = "gantry";
constexpr size_t kMaxTokenBytes = size_t{1} << 20;
constexpr size_t kMaxErrorBytes = size_t{64} << 10;
// While waiting, `cancelled` is asked this often.
constexpr absl::Duration kCancelStep = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(1);

bool IsWorthRetrying(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

absl::Duration RetryAfter(const http::Response& response) {
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(response.headers().Get("Retry-After"), &seconds) ||
      seconds < 0) {
    return absl::ZeroDuration();
  }
  return std::min(absl::Seconds(std::min<int64_t>(seconds, 3600)),
                  kMaxRetryAfter);
}

// The registry's own words (distribution-spec "Error Codes"), made harmless.
std::string ErrorText(http::Response* response) {
  absl::StatusOr<std::string> body = http::ReadBody(response, kMaxErrorBytes);
  if (!body.ok()) return "";
  absl::StatusOr<json::Value> doc = json::Value::Parse(*body, "error");
  if (!doc.ok()) return "";
  absl::StatusOr<std::vector<json::Value>> errors = doc->ArrayField("errors");
  if (!errors.ok() || errors->empty()) return "";
  absl::StatusOr<std::string> code = errors->front().StringField("code");
  absl::StatusOr<std::string> text = errors->front().StringField("message");
  if (!code.ok() || !text.ok()) return "";
  return absl::StrCat(" (", absl::CHexEscape(code->substr(0, 64)), ": ",
                      absl::CHexEscape(text->substr(0, 300)), ")");
}

absl::Status StatusOf(http::Response* response) {
  const int status = response->status();
  absl::StatusCode code = absl::StatusCode::kFailedPrecondition;
  if (status == 404) code = absl::StatusCode::kNotFound;
  if (status == 401 || status == 403)
    code = absl::StatusCode::kPermissionDenied;
  if (status == 429) code = absl::StatusCode::kResourceExhausted;
  if (status >= 500) code = absl::StatusCode::kUnavailable;
  return absl::Status(code, absl::StrCat(response->url().ForErrors(), ": HTTP ",
                                         status, ErrorText(response)));
}

bool IsLinkLocal(absl::string_view host) {
  return absl::StartsWith(host, "169.254.") || absl::StartsWith(host, "[fe80:");
}

// A registry must not send us to this machine or its metadata service, unless
// it lives there itself.
absl::Status CheckTarget(const http::Url& from, const http::Url& to) {
  if (from.host == to.host) return absl::OkStatus();
  if (IsLinkLocal(to.host) ||
      (http::IsLoopbackHost(to.host) && !http::IsLoopbackHost(from.host))) {
    return absl::PermissionDeniedError(
        absl::StrCat(from.host, " points to ", to.host, ": not allowed"));
  }
  return absl::OkStatus();
}

std::string Basic(const Credentials& credentials) {
  return absl::StrCat("Basic ",
                      absl::Base64Escape(absl::StrCat(credentials.username, ":",
                                                      credentials.password)));
}

// For a Host header as users write it: "registry.example:5000".
http::Url MakeOrigin(absl::string_view domain, absl::string_view scheme) {
  absl::StatusOr<http::Url> url =
      http::ParseUrl(absl::StrCat(scheme, "://", domain, "/"));
  // The reference parser has let only hosts through.
  return url.ok() ? *url : http::Url{.scheme = "https", .host = "invalid"};
}

}  // namespace

RegistryClient::RegistryClient(http::Client* client, RegistryOptions options,
                               Credentials credentials)
    : client_(client),
      options_(std::move(options)),
      credentials_(std::move(credentials)) {
  if (!options_.sleep) {
    options_.sleep = [](absl::Duration time) { absl::SleepFor(time); };
  }
}

http::Url RegistryClient::OriginOf(const Reference& ref) const {
  const std::string domain =
      ref.domain == "docker.io" ? "registry-1.docker.io" : ref.domain;
  http::Url https = MakeOrigin(domain, "https");
  const bool insecure = options_.insecure_hosts.count(domain) != 0 ||
                        options_.insecure_hosts.count(https.host) != 0;
  const bool loopback =
      http::IsLoopbackHost(https.host) && !absl::EndsWith(domain, ":443");
  if (insecure || loopback) return MakeOrigin(domain, "http");
  return https;
}

absl::Status RegistryClient::Wait(int attempt, absl::Duration at_least,
                                  const std::function<bool()>& cancelled) {
  absl::Duration wait = options_.back_off * (1 << std::min(attempt, 16));
  wait = std::max(std::min(wait, options_.max_back_off), at_least);
  while (wait > absl::ZeroDuration()) {
    if (cancelled && cancelled()) {
      return absl::CancelledError("registry: cancelled");
    }
    const absl::Duration step = std::min(wait, kCancelStep);
    options_.sleep(step);
    wait -= step;
  }
  return absl::OkStatus();
}

namespace {

std::string FieldOf(const Challenge& challenge, const char* name) {
  auto it = challenge.parameters.find(name);
  return it == challenge.parameters.end() ? std::string() : it->second;
}

// Where a token may be asked for, with credentials.
absl::Status CheckTokenServer(const Reference& ref, const http::Url& origin,
                              const http::Url& realm) {
  if (realm.scheme != "https" && !http::IsLoopbackHost(realm.host) &&
      realm.host != origin.host) {
    return absl::PermissionDeniedError(
        absl::StrCat("token server ", realm.ForErrors(), " of ", ref.domain,
                     " is not https"));
  }
  if (realm.scheme != "https" && origin.scheme == "https") {
    return absl::PermissionDeniedError(
        absl::StrCat("token server ", realm.ForErrors(),
                     " is less secure than ", origin.host));
  }
  return CheckTarget(origin, realm);
}

}  // namespace

absl::StatusOr<std::string> RegistryClient::FetchToken(
    const Reference& ref, const http::Url& origin, const Challenge& challenge,
    const http::Request& like) {
  ASSIGN_OR_RETURN(http::Url realm, http::ParseUrl(FieldOf(challenge, "realm")),
                   "token server of " << ref.domain);
  RETURN_IF_ERROR(CheckTokenServer(ref, origin, realm));
  // Only reading is asked for, whatever the challenge offers.
  const std::string wish = absl::StrCat(
      "service=", QueryEscape(FieldOf(challenge, "service")),
      "&scope=", QueryEscape(absl::StrCat("repository:", ref.path, ":pull")));
  http::Request request = like;
  request.range.reset();
  request.headers = http::Headers();
  if (!credentials_.identity_token.empty()) {
    // distribution docs/spec/auth/oauth.md. The secret is in the body, so no
    // redirect is followed.
    request.method = http::Method::kPost;
    request.url = realm.ToString();
    request.max_redirects = 0;
    request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
    request.body = absl::StrCat(
        "grant_type=refresh_token&client_id=", kClientId, "&", wish,
        "&refresh_token=", QueryEscape(credentials_.identity_token));
  } else {
    request.method = http::Method::kGet;
    request.url =
        absl::StrCat(realm.ToString(),
                     absl::StrContains(realm.target, '?') ? "&" : "?", wish);
    if (!credentials_.username.empty()) {
      request.headers.Set("Authorization", Basic(credentials_));
    }
  }
  ASSIGN_OR_RETURN(std::unique_ptr<http::Response> response,
                   client_->Send(request));
  if (response->status() != 200) return StatusOf(response.get());
  ASSIGN_OR_RETURN(std::string body,
                   http::ReadBody(response.get(), kMaxTokenBytes));
  ASSIGN_OR_RETURN(json::Value doc, json::Value::Parse(body, "token"));
  ASSIGN_OR_RETURN(std::string token, doc.StringField("token"));
  if (token.empty()) {
    ASSIGN_OR_RETURN(token, doc.StringField("access_token"));
  }
  if (token.empty()) return doc.Error("no token in the answer");
  return token;
}

absl::Status RegistryClient::Authorize(const Reference& ref,
                                       const http::Url& origin,
                                       const http::Response& response,
                                       const http::Request& like) {
  if (!response.url().SameOrigin(origin)) {
    // Whoever a redirect leads to gets no credentials (CVE-2020-15157).
    return absl::PermissionDeniedError(absl::StrCat(
        response.url().ForErrors(), ": asks for credentials of another host"));
  }
  std::optional<Challenge> basic;
  std::optional<Challenge> bearer;
  for (const std::string& header :
       response.headers().GetAll("WWW-Authenticate")) {
    for (Challenge& challenge : ParseChallenges(header)) {
      if (challenge.scheme == "bearer") bearer = challenge;
      if (challenge.scheme == "basic") basic = challenge;
    }
  }
  std::string value;
  if (bearer) {
    ASSIGN_OR_RETURN(std::string token, FetchToken(ref, origin, *bearer, like));
    value = absl::StrCat("Bearer ", token);
  } else if (basic && !credentials_.username.empty()) {
    value = Basic(credentials_);
  } else {
    return absl::PermissionDeniedError(absl::StrCat(
        response.url().ForErrors(),
        ": authentication is required and no usable credentials were given"));
  }
  absl::MutexLock lock(&mutex_);
  authorization_[ref.Name()] = std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<http::Response>> RegistryClient::Get(
    const Reference& ref, http::Method method, absl::string_view path,
    const http::Headers& headers, std::optional<http::ByteRange> range,
    const std::function<bool()>& cancelled) {
  const http::Url origin = OriginOf(ref);
  http::Url url = origin;
  url.target = absl::StrCat("/v2/", ref.path, "/", path);
  http::Request request = {.method = method,
                           .url = url.ToString(),
                           .range = range,
                           .tls = options_.tls,
                           .proxy = options_.proxy,
                           .connect_timeout = options_.connect_timeout,
                           .stall_timeout = options_.stall_timeout,
                           .cancelled = cancelled};
  request.on_redirect = [](const http::Url& from, const http::Url& to,
                           http::Headers*) { return CheckTarget(from, to); };
  bool asked = false;
  for (int attempt = 1;; ++attempt) {
    request.headers = headers;
    if (std::string known = KnownAuthorization(ref); !known.empty()) {
      request.headers.Set("Authorization", known);
    }
    absl::StatusOr<std::unique_ptr<http::Response>> response =
        client_->Send(request);
    absl::Duration at_least;
    if (response.ok()) {
      const int status = (*response)->status();
      if (status == 200 || status == 206) return response;
      if (status == 401 && !asked) {
        asked = true;
        RETURN_IF_ERROR(Authorize(ref, origin, **response, request));
        continue;
      }
      at_least = RetryAfter(**response);
      if (status != 429 && status < 500) return StatusOf(response->get());
      if (attempt >= options_.max_attempts) return StatusOf(response->get());
    } else if (!IsWorthRetrying(response.status()) ||
               attempt >= options_.max_attempts) {
      return response.status();
    }
    RETURN_IF_ERROR(Wait(attempt - 1, at_least, cancelled));
  }
}

std::string RegistryClient::KnownAuthorization(const Reference& ref) {
  absl::MutexLock lock(&mutex_);
  auto it = authorization_.find(ref.Name());
  if (it != authorization_.end()) return it->second;
  if (credentials_.registry_token.empty()) return "";
  return absl::StrCat("Bearer ", credentials_.registry_token);
}

namespace {

http::Headers ManifestHeaders() {
  http::Headers headers;
  headers.Add("Accept",
              absl::StrCat(kOciIndexType, ", ", kOciManifestType, ", ",
                           kDockerListType, ", ", kDockerManifestType));
  return headers;
}

std::string ManifestPath(const Reference& ref,
                         const std::optional<Digest>& digest) {
  return absl::StrCat("manifests/", digest ? digest->ToString() : ref.tag);
}

// The manifest in a complete answer, verified.
absl::StatusOr<FetchedManifest> Verified(const http::Response& response,
                                         std::string body,
                                         const std::optional<Digest>& wanted) {
  DigestHasher hasher(wanted ? wanted->algorithm()
                             : Digest::Algorithm::kSha256);
  hasher.Update(body);
  Digest digest = hasher.Finish();
  const std::string announced = response.headers().Get("Docker-Content-Digest");
  absl::StatusOr<Digest> header = Digest::Parse(announced);
  const bool contradicts = header.ok() &&
                           header->algorithm() == digest.algorithm() &&
                           *header != digest;
  if ((wanted && digest != *wanted) || contradicts) {
    return absl::DataLossError(
        absl::StrCat("manifest ", (wanted ? *wanted : *header).ToString(),
                     ": the content is ", digest.ToString()));
  }
  std::string type = response.headers().Get("Content-Type");
  type =
      std::string(absl::StripAsciiWhitespace(type.substr(0, type.find(';'))));
  return FetchedManifest{.body = std::move(body),
                         .media_type = std::move(type),
                         .digest = std::move(digest)};
}

}  // namespace

absl::StatusOr<FetchedManifest> RegistryClient::FetchManifest(
    const Reference& ref, const std::optional<Digest>& digest,
    const std::function<bool()>& cancelled) {
  const std::optional<Digest> wanted = digest ? digest : ref.digest;
  for (int attempt = 1;; ++attempt) {
    ASSIGN_OR_RETURN(std::unique_ptr<http::Response> response,
                     Get(ref, http::Method::kGet, ManifestPath(ref, wanted),
                         ManifestHeaders(), std::nullopt, cancelled));
    absl::StatusOr<std::string> body =
        http::ReadBody(response.get(), kMaxManifestBytes);
    if (body.ok()) return Verified(*response, *std::move(body), wanted);
    if (!IsWorthRetrying(body.status()) || attempt >= options_.max_attempts) {
      return body.status();
    }
    RETURN_IF_ERROR(Wait(attempt - 1, absl::ZeroDuration(), cancelled));
  }
}

absl::StatusOr<Digest> RegistryClient::HeadManifest(
    const Reference& ref, const std::function<bool()>& cancelled) {
  ASSIGN_OR_RETURN(std::unique_ptr<http::Response> response,
                   Get(ref, http::Method::kHead, ManifestPath(ref, ref.digest),
                       ManifestHeaders(), std::nullopt, cancelled));
  return Digest::Parse(response->headers().Get("Docker-Content-Digest"));
}

// A blob that is taken up again where the transfer broke.
class RegistryClient::BlobSource : public ByteSource {
 public:
  BlobSource(RegistryClient* registry, const Reference& ref, Descriptor blob,
             std::function<bool()> cancelled)
      : registry_(registry),
        ref_(ref),
        blob_(std::move(blob)),
        cancelled_(std::move(cancelled)) {}

  absl::Status Connect();
  absl::StatusOr<absl::string_view> Next() override;

 private:
  absl::Status CheckResumed() const;
  absl::StatusOr<absl::string_view> NextOnce();

  RegistryClient* registry_;
  const Reference ref_;
  const Descriptor blob_;
  const std::function<bool()> cancelled_;
  std::unique_ptr<http::Response> response_;
  int64_t offset_ = 0;  // of the next byte to hand out
  int64_t skip_ = 0;    // bytes of this answer that were handed out before
  int failures_ = 0;    // since the last new byte
};

absl::Status RegistryClient::BlobSource::Connect() {
  std::optional<http::ByteRange> range;
  if (offset_ > 0) range = http::ByteRange{.first = offset_};
  ASSIGN_OR_RETURN(
      response_, registry_->Get(ref_, http::Method::kGet,
                                absl::StrCat("blobs/", blob_.digest.ToString()),
                                http::Headers(), range, cancelled_));
  skip_ = 0;
  if (response_->status() == 206) {
    if (!range)
      return absl::DataLossError("a partial answer was not asked for");
    return CheckResumed();
  }
  // A server without ranges begins anew.
  skip_ = offset_;
  return absl::OkStatus();
}

absl::Status RegistryClient::BlobSource::CheckResumed() const {
  const std::string range = response_->headers().Get("Content-Range");
  if (absl::StartsWith(range, absl::StrCat("bytes ", offset_, "-"))) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("blob ", blob_.digest.ToString(),
                   ": the registry answered another range than asked for"));
}

absl::StatusOr<absl::string_view> RegistryClient::BlobSource::NextOnce() {
  if (response_ == nullptr) {
    RETURN_IF_ERROR(Connect());
  }
  while (true) {
    ASSIGN_OR_RETURN(absl::string_view chunk, response_->Next());
    if (chunk.empty() && offset_ < blob_.size) {
      return absl::UnavailableError(
          absl::StrCat("blob ", blob_.digest.ToString(), ": the registry sent ",
                       offset_, " of ", blob_.size, " bytes"));
    }
    if (chunk.empty()) return chunk;
    const int64_t drop = std::min<int64_t>(skip_, chunk.size());
    skip_ -= drop;
    chunk.remove_prefix(drop);
    if (chunk.empty()) continue;
    offset_ += chunk.size();
    if (offset_ > blob_.size) {
      return absl::DataLossError(absl::StrCat(
          "blob ", blob_.digest.ToString(),
          ": the registry sent more than its ", blob_.size, " bytes"));
    }
    failures_ = 0;
    return chunk;
  }
}

absl::StatusOr<absl::string_view> RegistryClient::BlobSource::Next() {
  while (true) {
    absl::StatusOr<absl::string_view> chunk = NextOnce();
    if (chunk.ok() || !IsWorthRetrying(chunk.status())) return chunk;
    response_.reset();
    if (++failures_ >= registry_->options_.max_attempts) return chunk;
    RETURN_IF_ERROR(
        registry_->Wait(failures_ - 1, absl::ZeroDuration(), cancelled_));
  }
}

absl::StatusOr<std::unique_ptr<ByteSource>> RegistryClient::OpenBlob(
    const Reference& ref, const Descriptor& blob,
    std::function<bool()> cancelled) {
  auto source =
      std::make_unique<BlobSource>(this, ref, blob, std::move(cancelled));
  RETURN_IF_ERROR(source->Connect()) << "blob " << blob.digest.ToString();
  return source;
}

}  // namespace gantry::image
