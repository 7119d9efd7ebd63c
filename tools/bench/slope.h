// Whether a count grows with what was done: a straight line through counts that
// were read at rest (ordinary least squares).
//
// Pure functions.

#ifndef GANTRY_TOOLS_BENCH_SLOPE_H_
#define GANTRY_TOOLS_BENCH_SLOPE_H_

#include <vector>

namespace gantry::bench {

// A count, after so many operations.
struct Reading {
  double operations = 0;
  double count = 0;
};

enum class Verdict {
  kFlat,
  kGrows,
  // Too few readings, or nothing was done between them.
  kUnknown,
};

struct Slope {
  double per_thousand = 0;
  // Three standard errors: what the readings' own spread makes of a slope.
  double noise = 0;
  Verdict verdict = Verdict::kUnknown;
};

// What is made once, at first use or at the first peak, is no growth: the first
// half of the readings is left out. What is left must be five at least. It
// grows if the slope is above the noise and makes `least` of all operations
// together.
Slope SlopeOf(const std::vector<Reading>& readings, double least);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_SLOPE_H_
