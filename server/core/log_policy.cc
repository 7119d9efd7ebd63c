#include "server/core/log_policy.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/conf/size.h"

namespace gantry::core {
namespace {

std::optional<uint64_t> SizeOfAtLeast(uint64_t least, absl::string_view text) {
  const std::optional<uint64_t> bytes = conf::ParseSize(text);
  if (!bytes || (*bytes != 0 && *bytes < least)) return std::nullopt;
  return bytes;
}

// An annotation that is there, and whose it is.
struct Found {
  absl::string_view whose;
  absl::string_view key;
  const std::string& text;

  absl::Status Bad(absl::string_view expected) const {
    return absl::InvalidArgumentError(
        absl::StrCat(whose, " ", key, ": expected ", expected, ", found \"",
                     absl::CHexEscape(text.substr(0, 100)), "\""));
  }
};

std::optional<Found> Find(absl::string_view key,
                          const record::ContainerRecord& container,
                          const record::PodRecord& pod) {
  const std::string name(key);
  if (const auto own = container.annotations().find(name);
      own != container.annotations().end()) {
    return Found{"annotation", key, own->second};
  }
  if (const auto of_pod = pod.annotations().find(name);
      of_pod != pod.annotations().end()) {
    return Found{"annotation of the pod", key, of_pod->second};
  }
  return std::nullopt;
}

// Of two limits, 0 being none, whether `a` allows more than `b`.
bool IsMore(uint64_t a, uint64_t b) { return b != 0 && (a == 0 || a > b); }

absl::StatusOr<uint64_t> Lowered(const Found& found, uint64_t node,
                                 std::optional<uint64_t> wanted,
                                 absl::string_view expected,
                                 absl::string_view node_key) {
  if (!wanted.has_value()) return found.Bad(expected);
  if (IsMore(*wanted, node)) {
    return found.Bad(absl::StrCat("at most the ", conf::FormatSize(node),
                                  " of containers.log.", node_key));
  }
  return *wanted;
}

}  // namespace

std::optional<spec::LogPolicy::WhenFull> ParseWhenFull(absl::string_view text) {
  if (text == "block") return spec::LogPolicy::BLOCK;
  if (text == "drop") return spec::LogPolicy::DROP;
  return std::nullopt;
}

std::optional<uint64_t> ParseLogRate(absl::string_view text) {
  return SizeOfAtLeast(kLeastLogRate, text);
}

std::optional<uint64_t> ParseLogSize(absl::string_view text) {
  return SizeOfAtLeast(kLeastLogSize, text);
}

absl::StatusOr<spec::LogPolicy> LogPolicyOf(
    const spec::LogPolicy& node, const record::ContainerRecord& container,
    const record::PodRecord& pod) {
  spec::LogPolicy policy = node;
  if (auto found = Find(kLogPolicyAnnotation, container, pod)) {
    const auto when_full = ParseWhenFull(found->text);
    if (!when_full.has_value()) return found->Bad(kWhenFullExpected);
    policy.set_when_full(*when_full);
  }
  if (auto found = Find(kLogRateAnnotation, container, pod)) {
    ASSIGN_OR_RETURN(uint64_t rate,
                     Lowered(*found, node.rate(), ParseLogRate(found->text),
                             kLogRateExpected, "rate"));
    policy.set_rate(rate);
  }
  if (auto found = Find(kLogMaxSizeAnnotation, container, pod)) {
    ASSIGN_OR_RETURN(uint64_t size,
                     Lowered(*found, node.max_size(), ParseLogSize(found->text),
                             kLogSizeExpected, "max_size"));
    policy.set_max_size(size);
  }
  if (auto found = Find(kLogMaxFilesAnnotation, container, pod)) {
    // The node limits the files' number only where it limits their size.
    const uint32_t most =
        node.max_size() == 0 ? kMostLogFiles : node.max_files();
    uint32_t files = 0;
    if (!absl::SimpleAtoi(found->text, &files) || files < kLeastLogFiles ||
        files > most) {
      return found->Bad(
          absl::StrCat("a number from ", kLeastLogFiles, " to ", most));
    }
    policy.set_max_files(files);
  }
  return policy;
}

}  // namespace gantry::core
