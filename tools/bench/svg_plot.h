// Distributions of durations as a picture: one empirical distribution function
// per row (which part of the samples took at most so long), over a logarithmic
// time axis, with a legend. Pure functions; nothing blocks.

#ifndef GANTRY_TOOLS_BENCH_SVG_PLOT_H_
#define GANTRY_TOOLS_BENCH_SVG_PLOT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace gantry::bench {

struct Curve {
  std::string name;
  std::vector<int64_t> nanos;  // the smallest first
};

// A whole SVG 1.1 document in UTF-8. Curves without samples are left out.
std::string SvgPlot(const std::string& title, const std::vector<Curve>& curves);

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_SVG_PLOT_H_
