// The stream of sizes that the client of a terminal sends: JSON objects
// {"Width":80,"Height":24}, one after the other, cut anywhere.
//
// Thread safety: none. Pure.

#ifndef GANTRY_SERVER_STREAMING_TERMINAL_SIZE_H_
#define GANTRY_SERVER_STREAMING_TERMINAL_SIZE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry::streaming {

struct TerminalSize {
  uint16_t width = 0;
  uint16_t height = 0;
  bool operator==(const TerminalSize&) const = default;
};

class TerminalSizeReader {
 public:
  // The newest size that `data` completes, if any. What is no such object is
  // skipped; one of more than a few hundred bytes is, too.
  std::optional<TerminalSize> Feed(absl::string_view data);

 private:
  std::string partial_;
};

}  // namespace gantry::streaming

#endif  // GANTRY_SERVER_STREAMING_TERMINAL_SIZE_H_
