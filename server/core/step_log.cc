#include "server/core/step_log.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"

namespace gantry::core {
namespace {

int64_t Micros(int64_t nanos) { return nanos / 1000; }

using Parts = std::vector<std::vector<int>>;

// parts[place + 1]: the steps that the one at `place` consists of.
Parts PartsOf(const WatchedCall& call) {
  Parts parts(call.steps.size() + 1);
  for (int i = 0; i < static_cast<int>(call.steps.size()); ++i) {
    parts[call.steps[i].parent + 1].push_back(i);
  }
  for (std::vector<int>& siblings : parts) {
    std::stable_sort(
        siblings.begin(), siblings.end(), [&call](int left, int right) {
          return call.steps[left].begun_at < call.steps[right].begun_at;
        });
  }
  return parts;
}

void AppendBelow(const WatchedCall& call, const Parts& parts, int place,
                 int depth, std::string& text) {
  for (int part : parts[place + 1]) {
    const Step& step = call.steps[part];
    absl::StrAppendFormat(&text, "\n%10d%10d  %s%s",
                          Micros(step.begun_at - call.begun_at),
                          Micros(step.ended_at - step.begun_at),
                          std::string(2 * depth, ' '), step.name);
    AppendBelow(call, parts, part, depth + 1, text);
  }
}

}  // namespace

std::string StepTree(const WatchedCall& call) {
  // Escaped, for it is the client's.
  std::string text =
      absl::StrCat(call.verb, call.object.empty() ? "" : " ",
                   absl::Utf8SafeCHexEscape(call.object), ": ",
                   absl::StatusCodeToString(call.code), " after ",
                   Micros(call.ended_at - call.begun_at), " us");
  AppendBelow(call, PartsOf(call), -1, 0, text);
  return text;
}

void StepLog::OnCallEnded(const WatchedCall& call) {
  LOG(INFO) << StepTree(call);
}

}  // namespace gantry::core
