// The ids of a user namespace (user_namespaces(7)).
//
// Thread safety: pure functions.

#ifndef GANTRY_RUNTIME_PLAN_USER_NAMESPACE_H_
#define GANTRY_RUNTIME_PLAN_USER_NAMESPACE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/spec.pb.h"

namespace gantry::plan {

// One range, from id 0 inside on, to ids of the host that exist and are not
// its root's. INVALID_ARGUMENT begins with what is wrong: "host_id", ...
absl::Status CheckIdMapping(const spec::IdMapping& mapping);

// Both ranges, of one length; INVALID_ARGUMENT names "uids" or "gids".
absl::Status CheckUserNamespace(const spec::UserNamespace& user);

// What `inside` is on the host; nothing for an id that is not mapped.
std::optional<uint32_t> OutsideId(const spec::IdMapping& mapping,
                                  uint32_t inside);

}  // namespace gantry::plan

#endif  // GANTRY_RUNTIME_PLAN_USER_NAMESPACE_H_
