// Capability names and sets (capabilities(7), linux/capability.h).
//
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_PLAN_CAPABILITIES_H_
#define GANTRY_RUNTIME_PLAN_CAPABILITIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/plan.pb.h"
#include "proto/spec.pb.h"
#include "runtime/plan/host_facts.h"

namespace gantry::plan {

// What an unprivileged container gets when the client says nothing: the set of
// containerd's CRI, which is Docker's.
std::vector<std::string> DefaultCapabilities();

// Every capability this program knows, upper case with "CAP_".
std::vector<std::string> AllCapabilities();

// The number of a capability: "CAP_CHOWN" or "CHOWN", upper case. Nothing for
// a name that is not known.
std::optional<int> CapabilityNumber(absl::string_view name);

// The name of a number; "CAP_<n>" for one that is not known.
std::string CapabilityName(int number);

// Sets the capability fields of `identity`. A name that is not known is
// INVALID_ARGUMENT; one the host cannot give is left out and named in
// `degraded`.
absl::Status PlanCapabilities(const spec::Security& security,
                              const HostFacts& facts, Identity& identity,
                              std::vector<std::string>& degraded);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_CAPABILITIES_H_
