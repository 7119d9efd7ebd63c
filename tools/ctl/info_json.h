// Answers that carry an `info` map of JSON texts, shown as one JSON document.

#ifndef GANTRY_TOOLS_CTL_INFO_JSON_H_
#define GANTRY_TOOLS_CTL_INFO_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/map.h"
#include "tools/ctl/command.h"

namespace gantry::ctl {

using Info = google::protobuf::Map<std::string, std::string>;

// Prints `response` with the entries of its `info` beside its own fields, as
// crictl does: a text that is a JSON object or list stands as such, any other
// as a string. An entry named like a field gets "info." before its name.
template <typename Response>
absl::Status PrintWithInfo(Context& context, Response response);

// Implementation only.
absl::Status PrintMerged(Context& context,
                         const google::protobuf::Message& without_info,
                         const Info& info);

template <typename Response>
absl::Status PrintWithInfo(Context& context, Response response) {
  const Info info = std::move(*response.mutable_info());
  response.clear_info();
  return PrintMerged(context, response, info);
}

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_INFO_JSON_H_
