#include "runtime/image/registry_auth.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace gantry::image {
namespace {

constexpr size_t kMaxChallenges = 8;
constexpr size_t kMaxParameters = 16;

bool IsTokenByte(char c) {
  return absl::ascii_isalnum(c) ||
         absl::string_view("!#$%&'*+-.^_`|~").find(c) !=
             absl::string_view::npos;
}

class Scanner {
 public:
  explicit Scanner(absl::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  void Skip() { rest_.remove_prefix(1); }
  void SkipSpaces() {
    while (!rest_.empty() && (peek() == ' ' || peek() == '\t')) Skip();
  }
  absl::string_view Token() {
    size_t size = 0;
    while (size < rest_.size() && IsTokenByte(rest_[size])) ++size;
    absl::string_view token = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return token;
  }
  // A token, or a quoted string with its escapes resolved.
  std::string Value() {
    if (peek() != '"') return std::string(Token());
    Skip();
    std::string out;
    while (!rest_.empty() && peek() != '"') {
      if (peek() == '\\' && rest_.size() > 1) Skip();
      out.push_back(peek());
      Skip();
    }
    if (!rest_.empty()) Skip();
    return out;
  }

 private:
  absl::string_view rest_;
};

}  // namespace

std::vector<Challenge> ParseChallenges(absl::string_view header) {
  std::vector<Challenge> out;
  Scanner scan(header);
  while (!scan.done()) {
    scan.SkipSpaces();
    if (scan.peek() == ',') {
      scan.Skip();
      continue;
    }
    const std::string word = absl::AsciiStrToLower(scan.Token());
    if (word.empty()) return out;
    scan.SkipSpaces();
    if (scan.peek() != '=') {
      // A word without "=" begins the next challenge.
      if (out.size() == kMaxChallenges) return out;
      out.push_back({.scheme = word});
      continue;
    }
    scan.Skip();
    scan.SkipSpaces();
    std::string value = scan.Value();
    if (out.empty() || out.back().parameters.size() == kMaxParameters) {
      return out;
    }
    out.back().parameters.emplace(word, std::move(value));
  }
  return out;
}

std::string QueryEscape(absl::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' ||
        c == '~') {
      out.push_back(c);
    } else {
      absl::StrAppend(&out, "%", std::string(1, kHex[c >> 4]),
                      std::string(1, kHex[c & 15]));
    }
  }
  return out;
}

}  // namespace gantry::image
