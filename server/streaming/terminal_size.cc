#include "server/streaming/terminal_size.h"

#include <cstddef>

#include "absl/status/statusor.h"
#include "runtime/json/json.h"

namespace gantry::streaming {
namespace {

constexpr size_t kMaxObject = 256;

std::optional<TerminalSize> Parse(absl::string_view text) {
  absl::StatusOr<json::Value> object =
      json::Value::Parse(text, "terminal size");
  if (!object.ok()) return std::nullopt;
  absl::StatusOr<int64_t> width = object->IntField("Width");
  absl::StatusOr<int64_t> height = object->IntField("Height");
  if (!width.ok() || !height.ok()) return std::nullopt;
  // As the kernel counts; 0 is what a client without a terminal has.
  if (*width <= 0 || *width > UINT16_MAX || *height <= 0 ||
      *height > UINT16_MAX) {
    return std::nullopt;
  }
  return TerminalSize{static_cast<uint16_t>(*width),
                      static_cast<uint16_t>(*height)};
}

}  // namespace

std::optional<TerminalSize> TerminalSizeReader::Feed(absl::string_view data) {
  std::optional<TerminalSize> newest;
  for (char c : data) {
    if (c == '{') partial_.clear();
    if (partial_.size() < kMaxObject) partial_.push_back(c);
    if (c != '}') continue;
    if (std::optional<TerminalSize> size = Parse(partial_)) newest = size;
    partial_.clear();
  }
  return newest;
}

}  // namespace gantry::streaming
