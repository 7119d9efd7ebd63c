#include "runtime/image/registry_failures.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "runtime/json/json.h"

namespace gantry::image {
namespace {

constexpr size_t kMaxErrorBytes = size_t{64} << 10;
constexpr size_t kMinSecretBytes = 4;
// While waiting, `cancelled` is asked this often.
constexpr absl::Duration kCancelStep = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(1);
constexpr char kHttpDate[] = "%a, %d %b %Y %H:%M:%S GMT";

// The registry's own words (distribution-spec "Error Codes"), made harmless.
std::string ErrorText(http::Response* response,
                      const std::vector<std::string>& secrets) {
  absl::StatusOr<std::string> body = http::ReadBody(response, kMaxErrorBytes);
  if (!body.ok()) return "";
  absl::StatusOr<json::Value> doc = json::Value::Parse(*body, "error");
  if (!doc.ok()) return "";
  absl::StatusOr<std::vector<json::Value>> errors = doc->ArrayField("errors");
  if (!errors.ok() || errors->empty()) return "";
  absl::StatusOr<std::string> code = errors->front().StringField("code");
  absl::StatusOr<std::string> text = errors->front().StringField("message");
  if (!code.ok() || !text.ok()) return "";
  for (const std::string& secret : secrets) {
    // A shorter one would blot out words.
    if (secret.size() < kMinSecretBytes) continue;
    absl::StrReplaceAll({{secret, "***"}}, &*code);
    absl::StrReplaceAll({{secret, "***"}}, &*text);
  }
  return absl::StrCat(" (", absl::CHexEscape(code->substr(0, 64)), ": ",
                      absl::CHexEscape(text->substr(0, 300)), ")");
}

absl::StatusCode CodeOf(int status) {
  if (status == 404) return absl::StatusCode::kNotFound;
  if (status == 401 || status == 403)
    return absl::StatusCode::kPermissionDenied;
  if (status == 429) return absl::StatusCode::kResourceExhausted;
  if (status >= 500 || status == 408) return absl::StatusCode::kUnavailable;
  return absl::StatusCode::kFailedPrecondition;
}

}  // namespace

bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

Failure FailureOf(const absl::Status& status) {
  return {.status = status, .passing = IsPassing(status)};
}

Failure FailureOf(http::Response* response, absl::Time now,
                  const std::vector<std::string>& secrets) {
  const int status = response->status();
  // 501 and 505: the server will not learn it.
  const bool passing = status == 408 || status == 429 ||
                       (status >= 500 && status != 501 && status != 505);
  return {
      .status = absl::Status(
          CodeOf(status), absl::StrCat(response->url().ForErrors(), ": HTTP ",
                                       status, ErrorText(response, secrets))),
      .passing = passing,
      .is_answer = true,
      .at_least = RetryAfter(response->headers(), now)};
}

absl::Duration RetryAfter(const http::Headers& headers, absl::Time now) {
  const std::string text = headers.Get("Retry-After");
  int64_t seconds = 0;
  absl::Duration wait;
  absl::Time until;
  if (absl::SimpleAtoi(text, &seconds)) {
    wait = absl::Seconds(seconds);
  } else if (absl::ParseTime(kHttpDate, text, &until, nullptr)) {
    absl::Time sent;
    const bool has_date =
        absl::ParseTime(kHttpDate, headers.Get("Date"), &sent, nullptr);
    wait = until - (has_date ? sent : now);
  }
  return std::clamp(wait, absl::ZeroDuration(), kMaxRetryAfter);
}

absl::Status WaitToRetry(const RegistryOptions& options, int failures,
                         absl::Duration at_least,
                         const std::function<bool()>& cancelled) {
  absl::Duration wait =
      options.back_off * (1 << std::clamp(failures - 1, 0, 16));
  wait = std::max(std::min(wait, options.max_back_off), at_least);
  while (wait > absl::ZeroDuration()) {
    if (cancelled && cancelled()) {
      return absl::CancelledError("registry: cancelled");
    }
    const absl::Duration step = std::min(wait, kCancelStep);
    options.sleep(step);
    wait -= step;
  }
  return absl::OkStatus();
}

}  // namespace gantry::image
