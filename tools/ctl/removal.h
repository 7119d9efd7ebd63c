// Removing pods and containers, with what `gantryctl run` made around them.
//
// Blocking: calls to the server, and a few on log files of this machine.
// What is gone already is no error.

#ifndef GANTRY_TOOLS_CTL_REMOVAL_H_
#define GANTRY_TOOLS_CTL_REMOVAL_H_

#include <string>

#include "absl/status/status.h"
#include "tools/ctl/client.h"

namespace gantry::ctl {

// Stops and removes the pod, its containers by force.
absl::Status RemovePod(Client& client, const std::string& pod_id);

// Removes the pods of the `run` with this uid and the log it wrote: also when
// the answer that would have told the pod's id never came.
absl::Status RemoveRun(Client& client, const std::string& uid,
                       const std::string& log_path);

// Removes the container; one that `run` made together with its pod and log.
absl::Status RemoveContainer(Client& client, const v1::Container& container);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_REMOVAL_H_
