#include "runtime/conf/size.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace gantry::conf {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 62;
constexpr std::pair<absl::string_view, int> kUnits[] = {
    {"Ti", 40}, {"Gi", 30}, {"Mi", 20}, {"Ki", 10}};

}  // namespace

std::optional<uint64_t> ParseSize(absl::string_view text) {
  int shift = 0;
  for (const auto& [unit, bits] : kUnits) {
    if (absl::ConsumeSuffix(&text, unit)) {
      shift = bits;
      break;
    }
  }
  uint64_t number = 0;
  // SimpleAtoi would take signs and spaces too.
  if (!std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &number) || number > kMost >> shift) {
    return std::nullopt;
  }
  return number << shift;
}

std::string FormatSize(uint64_t bytes) {
  for (const auto& [unit, bits] : kUnits) {
    if (bytes != 0 && bytes % (uint64_t{1} << bits) == 0) {
      return absl::StrCat(bytes >> bits, unit);
    }
  }
  return absl::StrCat(bytes);
}

}  // namespace gantry::conf
