#include "server/streaming/tokens.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/id.h"

namespace gantry::streaming {
namespace {

// Of hexadecimal digits of an id, which is random as a whole.
constexpr size_t kTokenDigits = 32;

}  // namespace

absl::StatusOr<std::string> Tokens::Add(core::StreamRequest request) {
  std::string token = NewId().substr(0, kTokenDigits);
  absl::MutexLock lock(&mutex_);
  DropExpired();
  if (entries_.size() >= kMaxTokens) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kMaxTokens,
                     " streaming requests that no client has come for"));
  }
  const int64_t expires = clock_.BootNanos() + absl::ToInt64Nanoseconds(life_);
  entries_.emplace(token, Entry{std::move(request), expires});
  by_age_.emplace_back(expires, token);
  return token;
}

std::optional<core::StreamRequest> Tokens::Take(absl::string_view token) {
  absl::MutexLock lock(&mutex_);
  DropExpired();
  auto entry = entries_.find(token);
  if (entry == entries_.end()) return std::nullopt;
  std::optional<core::StreamRequest> request(std::move(entry->second.request));
  entries_.erase(entry);
  return request;
}

void Tokens::DropExpired() {
  const int64_t now = clock_.BootNanos();
  while (!by_age_.empty() && by_age_.front().first <= now) {
    entries_.erase(by_age_.front().second);
    by_age_.pop_front();
  }
}

}  // namespace gantry::streaming
