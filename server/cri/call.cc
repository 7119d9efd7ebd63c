#include "server/cri/call.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "server/cri/status_table.h"

namespace gantry::cri {

grpc::Status EndOfCall(const CallName& call, const absl::Status& status) {
  if (status.ok()) {
    VLOG(1) << call.verb << " " << call.object << ": ok";
    return grpc::Status::OK;
  }
  // Escaped, for parts of it are the client's.
  const std::string line =
      absl::StrCat(call.verb, call.object.empty() ? "" : " ",
                   absl::Utf8SafeCHexEscape(call.object), ": ",
                   absl::StatusCodeToString(status.code()), ": ",
                   absl::Utf8SafeCHexEscape(status.message()));
  switch (SeverityOf(status.code())) {
    case Severity::kInfo:
      LOG(INFO) << line;
      break;
    case Severity::kWarning:
      LOG(WARNING) << line;
      break;
    case Severity::kError:
      LOG(ERROR) << line;
      break;
  }
  return ToGrpcStatus(status);
}

grpc::Status NotBuiltRpc(absl::string_view verb) {
  return grpc::Status(grpc::UNIMPLEMENTED,
                      absl::StrCat(verb, " is not supported yet"));
}

grpc::ServerUnaryReactor* AnswerNotBuilt(grpc::CallbackServerContext* context,
                                         absl::string_view verb) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(NotBuiltRpc(verb));
  return reactor;
}

}  // namespace gantry::cri
