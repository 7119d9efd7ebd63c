#include "tools/bench/samples.h"

#include <algorithm>
#include <cmath>

namespace gantry::bench {

void Samples::Append(const Samples& other) {
  nanos_.insert(nanos_.end(), other.nanos_.begin(), other.nanos_.end());
}

std::vector<int64_t> Samples::Sorted() const {
  std::vector<int64_t> sorted = nanos_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

int64_t Samples::Percentile(double percent) const {
  if (nanos_.empty()) return 0;
  std::vector<int64_t> sorted = nanos_;
  const double rank = std::ceil(percent / 100 * sorted.size());
  const size_t index =
      std::min(sorted.size() - 1, static_cast<size_t>(std::max(rank - 1, 0.0)));
  std::nth_element(sorted.begin(), sorted.begin() + index, sorted.end());
  return sorted[index];
}

}  // namespace gantry::bench
