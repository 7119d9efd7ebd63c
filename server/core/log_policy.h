// What becomes of a container's output that its log does not take, and of a log
// that grows: what the node's configuration says for all, and annotations for
// one.
//
// Annotations are read from the container's and else from the pod's, since
// Kubernetes lets its users write only those. Whoever may write them is not the
// node's owner: they lower the node's limits and never raise them. Whether to
// wait or to drop is theirs to say, for it costs nobody else anything.
// Thread safety: pure functions.

#ifndef GANTRY_SERVER_CORE_LOG_POLICY_H_
#define GANTRY_SERVER_CORE_LOG_POLICY_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/record.pb.h"
#include "proto/spec.pb.h"

namespace gantry::core {

// Of a container or pod: "block" or "drop"; bytes per second, and of a file, as
// sizes ("64Ki"), or "0" for any; a number of files.
inline constexpr absl::string_view kLogPolicyAnnotation = "gantry.log-policy";
inline constexpr absl::string_view kLogRateAnnotation = "gantry.log-rate";
inline constexpr absl::string_view kLogMaxSizeAnnotation =
    "gantry.log-max-size";
inline constexpr absl::string_view kLogMaxFilesAnnotation =
    "gantry.log-max-files";

// A record of the log has up to 16 KiB: less would let one through in several
// seconds only, or would not do for a file.
inline constexpr uint64_t kLeastLogRate = uint64_t{1} << 10;
inline constexpr uint64_t kLeastLogSize = uint64_t{64} << 10;
inline constexpr uint32_t kLeastLogFiles = 2;
inline constexpr uint32_t kMostLogFiles = 100;

// Unset for what is none, or less than the least.
std::optional<spec::LogPolicy::WhenFull> ParseWhenFull(absl::string_view text);
std::optional<uint64_t> ParseLogRate(absl::string_view text);
std::optional<uint64_t> ParseLogSize(absl::string_view text);

// What these take, for errors: "expected ...".
inline constexpr absl::string_view kWhenFullExpected = "\"block\" or \"drop\"";
inline constexpr absl::string_view kLogRateExpected =
    "\"0\" or a size of at least 1Ki (per second), such as \"1Mi\"";
inline constexpr absl::string_view kLogSizeExpected =
    "\"0\" or a size of at least 64Ki, such as \"10Mi\"";

// INVALID_ARGUMENT, with the annotation's name and value, for one that is none
// or more than `node` says.
absl::StatusOr<spec::LogPolicy> LogPolicyOf(
    const spec::LogPolicy& node, const record::ContainerRecord& container,
    const record::PodRecord& pod);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_LOG_POLICY_H_
