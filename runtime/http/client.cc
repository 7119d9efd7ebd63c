#include "runtime/http/client.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::http {

void Headers::Add(absl::string_view name, absl::string_view value) {
  all_.emplace_back(std::string(name), std::string(value));
}

void Headers::Set(absl::string_view name, absl::string_view value) {
  Remove(name);
  Add(name, value);
}

void Headers::Remove(absl::string_view name) {
  std::erase_if(all_, [&](const auto& header) {
    return absl::EqualsIgnoreCase(header.first, name);
  });
}

std::string Headers::Get(absl::string_view name) const {
  for (const auto& [key, value] : all_) {
    if (absl::EqualsIgnoreCase(key, name)) return value;
  }
  return "";
}

std::vector<std::string> Headers::GetAll(absl::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : all_) {
    if (absl::EqualsIgnoreCase(key, name)) out.push_back(value);
  }
  return out;
}

absl::StatusOr<std::string> ReadBody(Response* response, size_t max_bytes) {
  std::string body;
  while (true) {
    ASSIGN_OR_RETURN(absl::string_view chunk, response->Next());
    if (chunk.empty()) return body;
    if (body.size() + chunk.size() > max_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "read ", response->url().ForErrors(),
          ": the answer is longer than the ", max_bytes, " bytes allowed"));
    }
    absl::StrAppend(&body, chunk);
  }
}

}  // namespace gantry::http
