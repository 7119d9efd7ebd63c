// The gRPC server: CRI and gantry.admin.v1 on a unix socket, with reflection
// and the standard health service.
//
// Ownership: owns the services' reactors; `services` must outlive it.
// Thread safety: one owner.

#ifndef GANTRY_SERVER_GRPC_SERVER_H_
#define GANTRY_SERVER_GRPC_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/call_counter.h"
#include "server/cri/admin_rpcs.h"
#include "server/cri/image_rpcs.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/services.h"
#include "server/listener.h"
#include "server/metrics/metrics.h"
#include "server/start_gate.h"

namespace gantry::server {

class GrpcServer {
 public:
  // Serves from when this returns; but while services.start tells of something
  // that is done, most calls are held back (start_gate.h) until EndStart. The
  // socket has mode 0600 (listener.h). Calls are counted in `metrics`, which
  // may be null.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const std::string& socket_path, cri::Services& services,
      metrics::Metrics* metrics = nullptr);

  // Calls that were held back must have been let go.
  ~GrpcServer();

  // Lets the calls go that are held back, and tells health that it serves.
  void EndStart();

  // Takes no new calls from now on; calls under way go on, but for those that
  // follow events: they end with what has happened so far. When all have been
  // answered, at the latest after `patience`, connections are closed, and with
  // them streams without an end (call_counter.h); what is still under way is
  // told that its client is gone. A call that does not end by itself then is
  // waited for: look at the tasks first (work::TaskScope).
  void Shutdown(absl::Duration patience);

 private:
  explicit GrpcServer(cri::Services& services)
      : services_(services),
        gate_(/*is_open=*/!services.start.Doing().has_value()),
        runtime_(services),
        images_(services),
        admin_(services) {}

  cri::Services& services_;
  CallCounter calls_;
  StartGate gate_;
  cri::RuntimeRpcs runtime_;
  cri::ImageRpcs images_;
  cri::AdminRpcs admin_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  // First to end: it hands connections to those above.
  std::unique_ptr<Listener> listener_;
};

}  // namespace gantry::server

#endif  // GANTRY_SERVER_GRPC_SERVER_H_
