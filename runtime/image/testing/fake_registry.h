// A registry behind the http::Client interface: manifests and blobs from maps,
// token authentication, and faults in the order a test gives them.
//
// Thread safety: thread-safe, for pulls with several threads.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_FAKE_REGISTRY_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_FAKE_REGISTRY_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "runtime/http/client.h"
#include "runtime/http/url.h"
#include "runtime/image/digest.h"

namespace gantry::image {

class FakeRegistry : public http::Client {
 public:
  struct Answer {
    int status = 200;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    // The body breaks off with UNAVAILABLE after so many bytes.
    std::optional<size_t> breaks_after;
  };
  // Asked first; nullopt: the registry answers as it should.
  using Fault = std::function<std::optional<Answer>(const http::Request&)>;

  explicit FakeRegistry(std::string host) : host_(std::move(host)) {}

  // `media_type` empty: a blob.
  void Add(const std::string& content, absl::string_view media_type = "") {
    const std::string digest = DigestOf(content).ToString();
    if (media_type.empty()) {
      blobs_[digest] = content;
    } else {
      manifests_[digest] = {content, std::string(media_type)};
    }
  }
  void Tag(const std::string& tag, const std::string& content,
           absl::string_view media_type) {
    Add(content, media_type);
    manifests_[tag] = {content, std::string(media_type)};
  }

  // Each once, in this order, before anything else answers.
  std::deque<Fault> faults;
  // Then this one, with every request; may be null.
  Fault always;
  // If set, requests need "Bearer TOKEN"; the token server of this URL gives
  // it to those who send these Basic credentials (or none, if empty).
  std::string token;
  std::string realm = "https://auth.example/token";
  std::string basic;
  // If set, the token server wants this refresh token in a POST instead.
  std::string refresh_token;
  // What the token server tells of a token's life; 0: nothing.
  int expires_in = 0;
  bool ranges = true;
  // Answer as the registry does; without a token.
  std::set<std::string> more_hosts;

  // The answer to a request for a range.
  static Answer Part(const std::string& content, const http::ByteRange& range) {
    const int64_t size = content.size();
    const int64_t end = range.last ? std::min(*range.last + 1, size) : size;
    return {
        .status = 206,
        .body = content.substr(range.first, end - range.first),
        .headers = {{"Content-Range", absl::StrCat("bytes ", range.first, "-",
                                                   end - 1, "/", size)}}};
  }

  std::vector<http::Request> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

  absl::StatusOr<std::unique_ptr<http::Response>> Send(
      const http::Request& request) override {
    absl::StatusOr<http::Url> url = http::ParseUrl(request.url);
    if (!url.ok()) return url.status();
    Answer answer;
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(request);
      answer = AnswerTo(request, *url);
    }
    if (answer.status < 0) return absl::UnavailableError("refused");
    return std::make_unique<FakeResponse>(std::move(answer), *url);
  }

 private:
  class FakeResponse : public http::Response {
   public:
    FakeResponse(Answer answer, http::Url url)
        : answer_(std::move(answer)), url_(std::move(url)) {
      for (const auto& [name, value] : answer_.headers) {
        headers_.Add(name, value);
      }
    }
    int status() const override { return answer_.status; }
    const http::Headers& headers() const override { return headers_; }
    const http::Url& url() const override { return url_; }
    absl::StatusOr<absl::string_view> Next() override {
      size_t most = 777;
      if (answer_.breaks_after) {
        most = std::min(most, *answer_.breaks_after - at_);
        if (most == 0) return absl::UnavailableError("connection reset");
      }
      absl::string_view chunk =
          absl::string_view(answer_.body).substr(at_, most);
      at_ += chunk.size();
      return chunk;
    }

   private:
    Answer answer_;
    http::Url url_;
    http::Headers headers_;
    size_t at_ = 0;
  };

  Answer AnswerTo(const http::Request& request, const http::Url& url) {
    if (!faults.empty()) {
      std::optional<Answer> fault = faults.front()(request);
      faults.pop_front();
      if (fault) return *std::move(fault);
    }
    if (always) {
      std::optional<Answer> fault = always(request);
      if (fault) return *std::move(fault);
    }
    const std::string authorization = request.headers.Get("Authorization");
    if (!realm.empty() && absl::StartsWith(request.url, realm)) {
      if (!refresh_token.empty()) {
        const bool good =
            request.method == http::Method::kPost && authorization.empty() &&
            absl::EndsWith(request.body, "&refresh_token=" + refresh_token);
        if (!good) return {.status = 401};
        return {.body = absl::StrCat(R"({"access_token":")", token, "\"}")};
      }
      if (authorization != basic) return {.status = 401};
      return {.body = absl::StrCat(
                  R"({"token":")", token, "\"",
                  expires_in == 0 ? "" : ",\"expires_in\":",
                  expires_in == 0 ? "" : absl::StrCat(expires_in), "}")};
    }
    if (more_hosts.count(url.host) != 0) return Find(request, url.target);
    if (url.host != host_) return {.status = 404};
    if (!token.empty() && authorization != absl::StrCat("Bearer ", token)) {
      return {.status = 401,
              .headers = {
                  {"WWW-Authenticate", absl::StrCat("Bearer realm=\"", realm,
                                                    "\",service=\"s\"")}}};
    }
    return Find(request, url.target);
  }

  Answer Find(const http::Request& request, absl::string_view target) {
    const size_t name = target.rfind('/') + 1;
    std::string key(target.substr(name));
    key.resize(std::min(key.size(), key.find('?')));
    if (absl::StrContains(target, "/manifests/")) {
      auto it = manifests_.find(key);
      if (it == manifests_.end()) return {.status = 404};
      const auto& [content, type] = it->second;
      return {
          .body = content,
          .headers = {{"Content-Type", type},
                      {"Docker-Content-Digest", DigestOf(content).ToString()}}};
    }
    auto it = blobs_.find(key);
    if (it == blobs_.end()) return {.status = 404};
    if (!request.range || !ranges) return {.body = it->second};
    return Part(it->second, *request.range);
  }

  const std::string host_;
  std::map<std::string, std::pair<std::string, std::string>> manifests_;
  std::map<std::string, std::string> blobs_;
  mutable absl::Mutex mutex_;
  std::vector<http::Request> requests_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_FAKE_REGISTRY_H_
