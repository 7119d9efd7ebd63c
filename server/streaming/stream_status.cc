#include "server/streaming/stream_status.h"

#include "absl/strings/str_cat.h"
#include "runtime/json/json.h"

namespace gantry::streaming {

std::string StreamStatus(const absl::StatusOr<int>& exit_code, bool as_json) {
  if (exit_code.ok() && *exit_code == 0) {
    return as_json ? R"({"metadata":{},"status":"Success"})" : "";
  }
  std::string message;
  std::string rest;
  if (exit_code.ok()) {
    message = absl::StrCat(
        "command terminated with non-zero exit code: exit status ", *exit_code);
    rest = absl::StrCat(R"("reason":"NonZeroExitCode","details":{"causes":[)",
                        R"({"reason":"ExitCode","message":")", *exit_code,
                        R"("}]})");
  } else {
    message =
        absl::StrCat("Internal error occurred: ", exit_code.status().message());
    rest = R"("reason":"InternalError","code":500)";
  }
  if (!as_json) return message;
  return absl::StrCat(R"({"metadata":{},"status":"Failure","message":)",
                      json::Quote(message), ",", rest, "}");
}

}  // namespace gantry::streaming
