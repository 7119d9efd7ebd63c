// Durations measured, and what stands out of them. Not thread-safe.

#ifndef GANTRY_TOOLS_BENCH_SAMPLES_H_
#define GANTRY_TOOLS_BENCH_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gantry::bench {

class Samples {
 public:
  void Add(int64_t nanos) { nanos_.push_back(nanos); }
  void Append(const Samples& other);
  size_t size() const { return nanos_.size(); }

  // The smallest sample that at least `percent` of all do not exceed
  // (nearest rank); 0 without samples.
  int64_t Percentile(double percent) const;
  int64_t Median() const { return Percentile(50); }
  // All, the smallest first.
  std::vector<int64_t> Sorted() const;

 private:
  std::vector<int64_t> nanos_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_SAMPLES_H_
