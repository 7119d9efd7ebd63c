#include "runtime/image/registry_client.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/http/url.h"
#include "runtime/image/registry_ranges.h"
#include "runtime/image/registry_reach.h"

namespace gantry::image {
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

RegistryClient::RegistryClient(http::Client* client, RegistryOptions options,
                               Credentials credentials)
    : client_(client),
      options_(std::move(options)),
      authorizer_(client, options_, std::move(credentials)) {}

absl::StatusOr<std::vector<RegistryHost>> RegistryClient::HostsFor(
    const Reference& ref) {
  {
    absl::MutexLock lock(&mutex_);
    auto it = hosts_.find(ref.domain);
    if (it != hosts_.end()) return it->second;
  }
  ASSIGN_OR_RETURN(std::vector<RegistryHost> hosts,
                   HostsOf(ref.domain, options_));
  absl::MutexLock lock(&mutex_);
  return hosts_.emplace(ref.domain, std::move(hosts)).first->second;
}

bool RegistryClient::IsDown(const RegistryHost& host) {
  absl::MutexLock lock(&mutex_);
  return down_.count(host.root.ToString()) != 0;
}

http::Request RegistryClient::RequestTo(const RegistryHost& host,
                                        const Question& question) const {
  http::Url url = host.root;
  url.target = host.Target(question.ref.path, question.path);
  http::Request request = {
      .method = question.method,
      .url = url.ToString(),
      .range = question.range,
      .tls = host.tls,
      .proxy = options_.proxy,
      .no_proxy = options_.no_proxy,
      .connect_timeout = host.connect_timeout,
      .stall_timeout = options_.stall_timeout,
      .least_bytes_per_second = options_.least_bytes_per_second,
      .cancelled = question.cancelled};
  request.on_redirect = [this, &host](const http::Response& from,
                                      const http::Url& to,
                                      http::Request* next) {
    if (!to.SameOrigin(host.root)) {
      for (const auto& [name, value] : host.headers.all()) {
        next->headers.Remove(name);
      }
    }
    return KeepWithinReach(from, to, options_.internal_hosts, next);
  };
  if (!host.is_configured &&
      !http::IsNamedHost(host.root.host, options_.internal_hosts)) {
    request.check_address = CheckRegistryAddress;
  }
  return request;
}

absl::StatusOr<std::unique_ptr<http::Response>> RegistryClient::AskHost(
    const RegistryHost& host, const Question& question, Failure* failure) {
  http::Request request = RequestTo(host, question);
  for (bool asked = false;; asked = true) {
    request.headers = question.headers;
    for (const auto& [name, value] : host.headers.all()) {
      request.headers.Add(name, value);
    }
    if (std::string known = authorizer_.Header(host, question.ref);
        !known.empty()) {
      request.headers.Set("Authorization", known);
    }
    absl::StatusOr<std::unique_ptr<http::Response>> response =
        client_->Send(request);
    if (!response.ok()) {
      *failure = FailureOf(response.status());
      return failure->status;
    }
    const int status = (*response)->status();
    if (status == 200 || (status == 206 && question.range)) return response;
    if (status == 206) {
      *failure = {.status = absl::DataLossError(
                      absl::StrCat((*response)->url().ForErrors(),
                                   ": a partial answer was not asked for")),
                  .is_answer = true};
      return failure->status;
    }
    // A token may have ended since the last request, so each may bring one 401.
    if (status == 401 && !asked) {
      *failure = authorizer_.Answer(host, question.ref, **response, request);
      if (!failure->status.ok()) return failure->status;
      continue;
    }
    *failure =
        FailureOf(response->get(), options_.now(), authorizer_.Secrets());
    return failure->status;
  }
}

absl::StatusOr<Answered> RegistryClient::AskEach(
    const std::vector<RegistryHost>& hosts, const Question& question,
    Failure* failure) {
  std::string before;
  bool has_asked = false;
  for (size_t i = question.first_host; i < hosts.size(); ++i) {
    const RegistryHost& host = hosts[i];
    const bool is_last = i + 1 == hosts.size();
    if (question.resolves ? !host.may_resolve : !host.may_pull) continue;
    if (!is_last && IsDown(host)) continue;
    Failure one;
    absl::StatusOr<std::unique_ptr<http::Response>> response =
        AskHost(host, question, &one);
    if (response.ok()) return Answered{*std::move(response), i, is_last};
    if (has_asked) {
      absl::StrAppend(&before, before.empty() ? "" : "; ",
                      failure->status.message());
    }
    // The last one's word counts.
    *failure = std::move(one);
    has_asked = true;
    if (absl::IsCancelled(failure->status)) return failure->status;
    if (!is_last && IsPassing(failure->status) && !failure->is_answer) {
      absl::MutexLock lock(&mutex_);
      down_.insert(host.root.ToString());
    }
  }
  if (!has_asked) {
    *failure = {.status = absl::FailedPreconditionError(absl::StrCat(
                    "no host of ", question.ref.domain, " may be asked to ",
                    question.resolves ? "resolve" : "pull"))};
  } else if (!before.empty()) {
    failure->status = absl::Status(
        failure->status.code(),
        absl::StrCat(failure->status.message(), " (before it: ", before, ")"));
  }
  return failure->status;
}

absl::StatusOr<Answered> RegistryClient::Ask(const Question& question) {
  ASSIGN_OR_RETURN(std::vector<RegistryHost> hosts, HostsFor(question.ref));
  for (int failures = 1;; ++failures) {
    Failure failure;
    absl::StatusOr<Answered> answered = AskEach(hosts, question, &failure);
    if (answered.ok() || !failure.passing || question.once ||
        failures >= options_.max_attempts) {
      return answered;
    }
    RETURN_IF_ERROR(
        WaitToRetry(options_, failures, failure.at_least, question.cancelled));
  }
}

absl::StatusOr<FetchedManifest> RegistryClient::FetchManifestBy(
    const Reference& ref, const std::optional<Digest>& wanted,
    const std::function<bool()>& cancelled) {
  Question question = {.ref = ref,
                       .path = ManifestPath(ref, wanted),
                       .headers = ManifestHeaders(),
                       .resolves = !wanted,
                       .cancelled = cancelled};
  for (int failures = 1;; ++failures) {
    ASSIGN_OR_RETURN(Answered answered, Ask(question));
    absl::StatusOr<std::string> body =
        http::ReadBody(answered.response.get(), kMaxManifestBytes);
    absl::Status error = body.status();
    if (body.ok()) {
      absl::StatusOr<FetchedManifest> manifest =
          Verified(*answered.response, *std::move(body), wanted);
      if (manifest.ok()) return manifest;
      error = manifest.status();
    }
    if (answered.is_last_host &&
        (!IsPassing(error) || failures >= options_.max_attempts)) {
      return error;
    }
    if (!answered.is_last_host) question.first_host = answered.host + 1;
    RETURN_IF_ERROR(
        WaitToRetry(options_, failures, absl::ZeroDuration(), cancelled));
  }
}

absl::StatusOr<FetchedManifest> RegistryClient::FetchManifest(
    const Reference& ref, const std::optional<Digest>& digest,
    const std::function<bool()>& cancelled) {
  std::optional<Digest> wanted = digest ? digest : ref.digest;
  if (!wanted) {
    ASSIGN_OR_RETURN(std::vector<RegistryHost> hosts, HostsFor(ref));
    // Those that may tell what is in the image, but not which one it is, are
    // asked by its digest.
    if (std::any_of(hosts.begin(), hosts.end(), [](const RegistryHost& host) {
          return host.may_pull && !host.may_resolve;
        })) {
      absl::StatusOr<Digest> head = HeadManifest(ref, cancelled);
      if (head.ok()) wanted = *std::move(head);
    }
  }
  return FetchManifestBy(ref, wanted, cancelled);
}

absl::StatusOr<Digest> RegistryClient::HeadManifest(
    const Reference& ref, const std::function<bool()>& cancelled) {
  ASSIGN_OR_RETURN(Answered answered,
                   Ask({.ref = ref,
                        .method = http::Method::kHead,
                        .path = ManifestPath(ref, ref.digest),
                        .headers = ManifestHeaders(),
                        .resolves = true,
                        .cancelled = cancelled}));
  return Digest::Parse(
      answered.response->headers().Get("Docker-Content-Digest"));
}

absl::StatusOr<std::unique_ptr<BlobStream>> RegistryClient::OpenBlob(
    const Reference& ref, const Descriptor& blob,
    std::function<bool()> cancelled, BlobOptions options) {
  const auto opener = [&](std::function<bool()> cancelled, bool once) {
    return [this, ref, digest = blob.digest.ToString(), cancelled, once](
               std::optional<http::ByteRange> range, size_t first_host) {
      return Ask({.ref = ref,
                  .path = absl::StrCat("blobs/", digest),
                  .range = range,
                  .cancelled = cancelled,
                  .first_host = first_host,
                  .once = once});
    };
  };
  const int64_t bytes = blob.size - options.offset;
  if (!options.run_aside || !RangedBlob::IsWorthIt(bytes, options_)) {
    auto source = std::make_unique<BlobSource>(
        blob, opener(cancelled, false), options_, cancelled, options.offset,
        blob.size, options.first_host);
    RETURN_IF_ERROR(source->Connect()) << "blob " << blob.digest.ToString();
    return source;
  }
  auto left = std::make_shared<std::atomic<bool>>(false);
  const auto over = [left, cancelled] {
    return *left || (cancelled && cancelled());
  };
  auto source = std::make_unique<RangedBlob>(
      blob,
      RangedBlob::Means{.open = opener(cancelled, false),
                        .ask_once = opener(over, true),
                        .cancelled = cancelled,
                        .leave = [left] { *left = true; },
                        .run_aside = std::move(options.run_aside)},
      options_, options.offset, options.first_host);
  RETURN_IF_ERROR(source->Connect()) << "blob " << blob.digest.ToString();
  return source;
}

}  // namespace gantry::image
