// Counts the calls that a server that ends should wait for.
//
// gRPC itself waits until every client has hung up, which one that is idle
// need not do for minutes. Streams that last as long as their client cares
// (events, health, reflection) are not counted: they end with the server.
//
// Ownership: the interceptors that Creator makes refer to the counter, which
// must outlive the gRPC server. Thread safety: all methods from any thread.
// WaitIdle blocks.

#ifndef GANTRY_SERVER_CALL_COUNTER_H_
#define GANTRY_SERVER_CALL_COUNTER_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_interceptor.h"

namespace gantry::server {

class CallCounter {
 public:
  // For grpc::ServerBuilder::experimental().
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
  Creator();

  // Whether no counted call was under way at some moment within `patience`. A
  // call is over when its answer has been written to the client's connection.
  bool WaitIdle(absl::Duration patience);

  // "/package.Service/Method" of a stream without an end of its own.
  static bool IsEndless(absl::string_view method);

 private:
  class Counted;
  class Factory;

  absl::Mutex mutex_;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry::server

#endif  // GANTRY_SERVER_CALL_COUNTER_H_
