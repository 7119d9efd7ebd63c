#include "tools/bench/slope.h"

#include <cmath>
#include <cstddef>
#include <span>

namespace gantry::bench {
namespace {

constexpr size_t kFewest = 5;
constexpr double kStandardErrors = 3;

}  // namespace

Slope SlopeOf(const std::vector<Reading>& readings, double least) {
  const std::span<const Reading> judged =
      std::span(readings).subspan(readings.size() / 2);
  if (judged.size() < kFewest) return {};
  const auto count = static_cast<double>(judged.size());
  double mean_x = 0;
  double mean_y = 0;
  for (const Reading& reading : judged) {
    mean_x += reading.operations / count;
    mean_y += reading.count / count;
  }
  double xx = 0;
  double xy = 0;
  for (const Reading& reading : judged) {
    const double x = reading.operations - mean_x;
    xx += x * x;
    xy += x * (reading.count - mean_y);
  }
  if (xx == 0) return {};
  const double slope = xy / xx;
  double residuals = 0;
  for (const Reading& reading : judged) {
    const double line = mean_y + slope * (reading.operations - mean_x);
    residuals += (reading.count - line) * (reading.count - line);
  }
  const double error = std::sqrt(residuals / (count - 2) / xx);
  const double noise = kStandardErrors * error;
  const double grown =
      slope * (judged.back().operations - judged.front().operations);
  return {.per_thousand = slope * 1000,
          .noise = noise * 1000,
          .verdict = slope > noise && grown >= least ? Verdict::kGrows
                                                     : Verdict::kFlat};
}

}  // namespace gantry::bench
