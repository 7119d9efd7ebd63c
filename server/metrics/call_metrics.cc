#include "server/metrics/call_metrics.h"

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/base/clock.h"

namespace gantry::metrics {
namespace {

using Info = grpc::experimental::ServerRpcInfo;

// "/runtime.v1.RuntimeService/StartContainer": the last part, which is unique
// among our services.
std::string MethodOf(const Info& info) {
  const absl::string_view path = info.method();
  return std::string(path.substr(path.rfind('/') + 1));
}

// Lives as long as gRPC keeps the call.
class Interceptor : public grpc::experimental::Interceptor {
 public:
  Interceptor(Metrics& metrics, const Info& info)
      : metrics_(metrics),
        method_(MethodOf(info)),
        // A stream takes as long as its client cares.
        is_timed_(info.type() == Info::Type::UNARY),
        begun_at_(RealClock().BootNanos()) {}

  ~Interceptor() override {
    // The client had gone before there was an answer.
    if (!is_counted_) Count(absl::StatusCode::kCancelled);
  }

  void Intercept(
      grpc::experimental::InterceptorBatchMethods* methods) override {
    if (!is_counted_ &&
        methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      Count(
          static_cast<absl::StatusCode>(methods->GetSendStatus().error_code()));
    }
    methods->Proceed();
  }

 private:
  void Count(absl::StatusCode code) {
    is_counted_ = true;
    std::optional<absl::Duration> time;
    if (is_timed_) {
      time = absl::Nanoseconds(RealClock().BootNanos() - begun_at_);
    }
    metrics_.CountCall(method_, code, time);
  }

  Metrics& metrics_;
  const std::string method_;
  const bool is_timed_;
  const int64_t begun_at_;
  bool is_counted_ = false;
};

class Factory : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(Metrics& metrics) : metrics_(metrics) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      Info* info) override {
    // A method that is not there is one of these to gRPC.
    if (info->type() == Info::Type::BIDI_STREAMING) return nullptr;
    return new Interceptor(metrics_, *info);  // gRPC owns it
  }

 private:
  Metrics& metrics_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
CallMetrics(Metrics& metrics) {
  return std::make_unique<Factory>(metrics);
}

}  // namespace gantry::metrics
