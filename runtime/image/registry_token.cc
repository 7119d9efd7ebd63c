#include "runtime/image/registry_token.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/image/registry_reach.h"
#include "runtime/json/json.h"

namespace gantry::image {
namespace {

// How this program calls itself to token servers.
constexpr char kClientId[] = "gantry";
constexpr size_t kMaxTokenBytes = size_t{1} << 20;
// A token whose life is not told lives so long, and none shorter (token.md).
constexpr absl::Duration kTokenLife = absl::Seconds(60);
// So much earlier it counts as gone: a request takes time to arrive.
constexpr absl::Duration kTokenMargin = absl::Seconds(5);

std::string Basic(const Credentials& credentials) {
  return absl::StrCat("Basic ",
                      absl::Base64Escape(absl::StrCat(credentials.username, ":",
                                                      credentials.password)));
}

std::string FieldOf(const Challenge& challenge, const char* name) {
  auto it = challenge.parameters.find(name);
  return it == challenge.parameters.end() ? std::string() : it->second;
}

std::string Key(const RegistryHost& host, const Reference& ref) {
  return absl::StrCat(host.root.ToString(), " ", ref.Name());
}

// Where a token may be asked for, with credentials.
absl::Status CheckTokenServer(const RegistryHost& host,
                              const http::Url& realm) {
  if (realm.scheme == "https") return absl::OkStatus();
  if (host.root.scheme == "https") {
    return absl::PermissionDeniedError(
        absl::StrCat("token server ", realm.ForErrors(),
                     " is less secure than ", host.root.host));
  }
  if (!http::IsLoopbackHost(realm.host) && realm.host != host.root.host) {
    return absl::PermissionDeniedError(
        absl::StrCat("token server ", realm.ForErrors(), " of ", host.root.host,
                     " is not https"));
  }
  return absl::OkStatus();
}

Failure Refused(absl::string_view why) {
  return {.status = absl::PermissionDeniedError(why)};
}

}  // namespace

std::string RegistryAuthorizer::Header(const RegistryHost& host,
                                       const Reference& ref) {
  absl::MutexLock lock(&mutex_);
  auto it = known_.find(Key(host, ref));
  if (it != known_.end()) {
    if (options_.now() < it->second.good_until) return it->second.header;
    known_.erase(it);
  }
  if (!host.is_named || credentials_.registry_token.empty()) return "";
  return absl::StrCat("Bearer ", credentials_.registry_token);
}

std::vector<std::string> RegistryAuthorizer::Secrets() {
  std::vector<std::string> secrets = {
      credentials_.password, credentials_.identity_token,
      credentials_.registry_token,
      Basic(credentials_).substr(sizeof("Basic ") - 1)};
  absl::MutexLock lock(&mutex_);
  for (const auto& [key, known] : known_) {
    secrets.push_back(known.header.substr(known.header.find(' ') + 1));
  }
  return secrets;
}

absl::StatusOr<http::Request> RegistryAuthorizer::TokenRequest(
    const RegistryHost& host, const Reference& ref, const Challenge& challenge,
    const http::Response& response, const http::Request& like) const {
  ASSIGN_OR_RETURN(http::Url realm, http::ParseUrl(FieldOf(challenge, "realm")),
                   "token server of " << ref.domain);
  RETURN_IF_ERROR(CheckTokenServer(host, realm));
  http::Request request = like;
  RETURN_IF_ERROR(
      KeepWithinReach(response, realm, options_.internal_hosts, &request))
      << "token server of " << ref.domain;
  request.range.reset();
  request.headers = http::Headers();
  if (!realm.SameOrigin(host.root)) {
    request.tls.client_certificate.clear();
    request.tls.client_key.clear();
  }
  // Whoever reads a password must have shown who it is (CVE-2019-10214).
  if (realm.host != host.root.host) request.tls.insecure_skip_verify = false;
  // Only reading is asked for, whatever the challenge offers.
  const std::string wish = absl::StrCat(
      "service=", QueryEscape(FieldOf(challenge, "service")),
      "&scope=", QueryEscape(absl::StrCat("repository:", ref.path, ":pull")));
  if (host.is_named && !credentials_.identity_token.empty()) {
    // oauth.md. The secret is in the body, so no redirect is followed.
    request.method = http::Method::kPost;
    request.url = realm.ToString();
    request.max_redirects = 0;
    request.headers.Set("Content-Type", "application/x-www-form-urlencoded");
    request.body = absl::StrCat(
        "grant_type=refresh_token&client_id=", kClientId, "&", wish,
        "&refresh_token=", QueryEscape(credentials_.identity_token));
    return request;
  }
  request.method = http::Method::kGet;
  request.url = absl::StrCat(
      realm.ToString(), absl::StrContains(realm.target, '?') ? "&" : "?", wish);
  if (host.is_named && !credentials_.username.empty()) {
    request.headers.Set("Authorization", Basic(credentials_));
  }
  return request;
}

Failure RegistryAuthorizer::FetchToken(const http::Request& request,
                                       Known* known) {
  const absl::Time asked = options_.now();
  absl::StatusOr<std::unique_ptr<http::Response>> response =
      client_->Send(request);
  if (!response.ok()) return FailureOf(response.status());
  if ((*response)->status() != 200) {
    return FailureOf(response->get(), options_.now(), Secrets());
  }
  absl::StatusOr<std::string> body =
      http::ReadBody(response->get(), kMaxTokenBytes);
  if (!body.ok()) return FailureOf(body.status());
  auto parse = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(json::Value doc, json::Value::Parse(*body, "token"));
    ASSIGN_OR_RETURN(std::string token, doc.StringField("token"));
    if (token.empty()) {
      ASSIGN_OR_RETURN(token, doc.StringField("access_token"));
    }
    if (token.empty()) return doc.Error("no token in the answer");
    // Not worth an error: a token that has ended brings a 401.
    const int64_t seconds = doc.IntField("expires_in").value_or(0);
    known->header = absl::StrCat("Bearer ", token);
    known->good_until =
        asked + std::max(kTokenLife, absl::Seconds(seconds)) - kTokenMargin;
    return absl::OkStatus();
  };
  return FailureOf(parse());
}

Failure RegistryAuthorizer::Answer(const RegistryHost& host,
                                   const Reference& ref,
                                   const http::Response& response,
                                   const http::Request& request) {
  if (!response.url().SameOrigin(host.root)) {
    // Whoever a redirect leads to gets no credentials (CVE-2020-15157).
    return Refused(absl::StrCat(response.url().ForErrors(),
                                ": asks for credentials of another host"));
  }
  if (host.is_named && !credentials_.registry_token.empty() &&
      credentials_.username.empty() && credentials_.identity_token.empty()) {
    // Nobody's token would do in its place: the user is to be told.
    return Refused(absl::StrCat(response.url().ForErrors(),
                                ": the registry refuses the token that was "
                                "given"));
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
  Known known;
  if (bearer) {
    absl::StatusOr<http::Request> token =
        TokenRequest(host, ref, *bearer, response, request);
    if (!token.ok()) return FailureOf(token.status());
    Failure failure = FetchToken(*token, &known);
    if (!failure.status.ok()) return failure;
  } else if (basic && host.is_named && !credentials_.username.empty()) {
    known.header = Basic(credentials_);
  } else {
    return Refused(absl::StrCat(
        response.url().ForErrors(),
        ": authentication is required and no usable credentials were given"));
  }
  absl::MutexLock lock(&mutex_);
  known_[Key(host, ref)] = std::move(known);
  return {};
}

}  // namespace gantry::image
