#include "server/parse_errors.h"

#include <string>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "glog/logging.h"
#include "google/protobuf/stubs/logging.h"

namespace gantry::server {
namespace {

// What protobuf said about the latest request on this thread.
thread_local std::string complaint;

constexpr absl::string_view kUnparsed = "the request cannot be parsed";

// "String field 'runtime.v1.ImageSpec.image' contains invalid UTF-8 data when
// parsing a protocol buffer. ..."
bool IsAboutUtf8(absl::string_view message) {
  return absl::StartsWith(message, "String field '") &&
         absl::StrContains(message, "when parsing");
}

void OnProtobufLog(google::protobuf::LogLevel level, const char* file, int line,
                   const std::string& message) {
  if (IsAboutUtf8(message)) {
    const size_t begin = message.find('\'') + 1;
    complaint = message.substr(begin, message.find('\'', begin) - begin) +
                " is not UTF-8";
    return;
  }
  const google::LogSeverity severity =
      level == google::protobuf::LOGLEVEL_INFO      ? google::GLOG_INFO
      : level == google::protobuf::LOGLEVEL_WARNING ? google::GLOG_WARNING
                                                    : google::GLOG_ERROR;
  google::LogMessage(file, line, severity).stream() << message;
}

class Interceptor : public grpc::experimental::Interceptor {
 public:
  void Intercept(
      grpc::experimental::InterceptorBatchMethods* methods) override {
    using grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      // Every answer of ours has a message.
      if (status.error_code() == grpc::UNIMPLEMENTED &&
          status.error_message().empty()) {
        std::string text(kUnparsed);
        const std::string field = std::exchange(complaint, "");
        if (!field.empty()) text += ": " + field;
        methods->ModifySendStatus(grpc::Status(grpc::INVALID_ARGUMENT, text));
      }
    }
    methods->Proceed();
  }
};

class Factory : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    complaint.clear();
    // A method that is not there is one of these to gRPC.
    if (info->type() ==
        grpc::experimental::ServerRpcInfo::Type::BIDI_STREAMING) {
      return nullptr;
    }
    return new Interceptor;  // gRPC owns it
  }
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
ParseErrorInterceptor() {
  static absl::once_flag once;
  absl::call_once(once, [] { google::protobuf::SetLogHandler(OnProtobufLog); });
  return std::make_unique<Factory>();
}

}  // namespace gantry::server
