// The numbers that gantryd tells of itself (docs/metrics.md), and their text in
// Prometheus' exposition format.
//
// The number of time series is bounded by the code: labels are names of steps,
// methods and codes, nothing that a client chooses.
//
// Ownership: refers to the indexes, which must outlive it. Thread safety: all
// methods from any thread; none waits for more than a short lock.

#ifndef GANTRY_SERVER_METRICS_METRICS_H_
#define GANTRY_SERVER_METRICS_METRICS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/index.h"
#include "server/core/steps.h"

namespace gantry::metrics {

class Metrics : public core::StepObserver {
 public:
  Metrics(const std::string& version, const core::PodIndex& pods,
          const core::ContainerIndex& containers);
  ~Metrics() override;

  // One observation per name of a step: what bears it in one call is added up.
  void OnCallEnded(const core::WatchedCall& call) override;

  // A call of `method` ("StartContainer") was answered. No time: it is not told
  // how long it took.
  void CountCall(absl::string_view method, absl::StatusCode code,
                 std::optional<absl::Duration> time);

  // As of now.
  std::string Text() const;

 private:
  struct Families;

  const core::PodIndex& pods_;
  const core::ContainerIndex& containers_;
  const std::unique_ptr<Families> families_;
};

}  // namespace gantry::metrics

#endif  // GANTRY_SERVER_METRICS_METRICS_H_
