// Holds calls back while the server recovers what it found on disk.
//
// Let through at once: Version, Status and RuntimeConfig, which need none of
// it, health and reflection. Any other call waits, which takes no thread, and
// goes on when the gate is opened, as if it had come then; its client's
// deadline runs meanwhile.
//
// Ownership: the interceptors that Creator makes refer to the gate, which must
// outlive the gRPC server. That waits at its end for the calls held here: open
// the gate before. Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_START_GATE_H_
#define GANTRY_SERVER_START_GATE_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/server_interceptor.h"

namespace gantry::server {

class StartGate {
 public:
  explicit StartGate(bool is_open) : is_open_(is_open) {}

  // For grpc::ServerBuilder::experimental().
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
  Creator();

  // Held calls begin on the calling thread; none is held from now on.
  void Open();

  // Whether "/package.Service/Method" is never held.
  static bool IsExempt(absl::string_view method);

 private:
  class Held;
  class Factory;

  bool IsOpen();
  // False: the gate is open.
  bool Hold(grpc::experimental::InterceptorBatchMethods* call);

  absl::Mutex mutex_;
  bool is_open_ ABSL_GUARDED_BY(mutex_);
  std::vector<grpc::experimental::InterceptorBatchMethods*> held_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::server

#endif  // GANTRY_SERVER_START_GATE_H_
