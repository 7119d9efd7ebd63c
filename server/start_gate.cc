#include "server/start_gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace gantry::server {

// Lives as long as gRPC keeps the call.
class StartGate::Held : public grpc::experimental::Interceptor {
 public:
  explicit Held(StartGate& gate) : gate_(gate) {}

  void Intercept(
      grpc::experimental::InterceptorBatchMethods* methods) override {
    // What comes first of a call, its request with it if it has just one.
    const bool begins = methods->QueryInterceptionHookPoint(
        grpc::experimental::InterceptionHookPoints::POST_RECV_INITIAL_METADATA);
    if (!begins || !gate_.Hold(methods)) methods->Proceed();
  }

 private:
  StartGate& gate_;
};

class StartGate::Factory
    : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(StartGate& gate) : gate_(gate) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    if (IsExempt(info->method()) || gate_.IsOpen()) return nullptr;
    return new Held(gate_);  // gRPC owns it
  }

 private:
  StartGate& gate_;
};

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
StartGate::Creator() {
  return std::make_unique<Factory>(*this);
}

void StartGate::Open() {
  std::vector<grpc::experimental::InterceptorBatchMethods*> held;
  {
    absl::MutexLock lock(&mutex_);
    is_open_ = true;
    held.swap(held_);
  }
  for (grpc::experimental::InterceptorBatchMethods* call : held) {
    call->Proceed();
  }
}

bool StartGate::IsExempt(absl::string_view method) {
  static constexpr absl::string_view kExempt[] = {
      "/runtime.v1.RuntimeService/Version",
      "/runtime.v1.RuntimeService/Status",
      "/runtime.v1.RuntimeService/RuntimeConfig",
  };
  return std::find(std::begin(kExempt), std::end(kExempt), method) !=
             std::end(kExempt) ||
         absl::StartsWith(method, "/grpc.");
}

bool StartGate::IsOpen() {
  absl::MutexLock lock(&mutex_);
  return is_open_;
}

bool StartGate::Hold(grpc::experimental::InterceptorBatchMethods* call) {
  absl::MutexLock lock(&mutex_);
  if (!is_open_) held_.push_back(call);
  return !is_open_;
}

}  // namespace gantry::server
