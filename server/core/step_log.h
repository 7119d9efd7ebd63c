// The steps of calls as text, for the log.
//
// Thread safety: reentrant.

#ifndef GANTRY_SERVER_CORE_STEP_LOG_H_
#define GANTRY_SERVER_CORE_STEP_LOG_H_

#include <string>

#include "server/core/steps.h"

namespace gantry::core {

// A line for the call and one for each step, indented below what it is a part
// of and in the order in which they began: microseconds since the call's
// beginning, microseconds that the step took, its name.
//
//   StartContainer 3f0a: OK after 8123 us
//           12       310  write the record STARTING
//         1300      6500  wait for the start
//         1350       120    shim: read the plan
std::string StepTree(const WatchedCall& call);

// Logs the tree of each call as INFO.
class StepLog : public StepObserver {
 public:
  void OnCallEnded(const WatchedCall& call) override;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_STEP_LOG_H_
