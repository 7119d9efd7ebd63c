#include "tools/ctl/command.h"

#include <google/protobuf/util/json_util.h>

#include "runtime/base/status.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"

namespace gantry::ctl {

absl::StatusOr<Client*> Context::Connect() {
  if (client_ == nullptr) {
    ASSIGN_OR_RETURN(client_, Client::For(endpoint));
    if (timeout > absl::ZeroDuration()) client_->SetLimit(timeout);
  }
  return client_.get();
}

absl::Status Context::PrintJson(const google::protobuf::Message& message) {
  ASSIGN_OR_RETURN(std::string json, ToJson(message));
  out << PrettyJson(json) << '\n';
  return absl::OkStatus();
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return absl::InternalError("the server's answer cannot be shown as JSON");
  }
  return json;
}

absl::Status ForEach(
    Context& context, const std::vector<std::string>& names,
    const std::function<absl::Status(const std::string&)>& action) {
  absl::Status first;
  for (const std::string& name : names) {
    const absl::Status status = action(name);
    if (status.ok()) {
      context.out << name << '\n';
    } else if (first.ok()) {
      first = status;
    } else {
      context.err << ErrorText(status);
    }
  }
  return first;
}

}  // namespace gantry::ctl
