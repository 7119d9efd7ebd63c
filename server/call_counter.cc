#include "server/call_counter.h"

#include "absl/strings/match.h"

namespace gantry::server {

// Lives as long as gRPC keeps the call.
class CallCounter::Counted : public grpc::experimental::Interceptor {
 public:
  explicit Counted(CallCounter& counter) : counter_(counter) {
    absl::MutexLock lock(&counter_.mutex_);
    ++counter_.under_way_;
  }
  ~Counted() override {
    absl::MutexLock lock(&counter_.mutex_);
    --counter_.under_way_;
  }
  void Intercept(
      grpc::experimental::InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }

 private:
  CallCounter& counter_;
};

class CallCounter::Factory
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(CallCounter& counter) : counter_(counter) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    if (IsEndless(info->method())) return nullptr;
    return new Counted(counter_);  // gRPC owns it
  }

 private:
  CallCounter& counter_;
};

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
CallCounter::Creator() {
  return std::make_unique<Factory>(*this);
}

bool CallCounter::WaitIdle(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(
      absl::Condition(
          +[](int* under_way) { return *under_way == 0; }, &under_way_),
      patience);
}

bool CallCounter::IsEndless(absl::string_view method) {
  return absl::EndsWith(method, "/GetContainerEvents") ||
         absl::EndsWith(method, "/ServerReflectionInfo") ||
         method == "/grpc.health.v1.Health/Watch";
}

}  // namespace gantry::server
