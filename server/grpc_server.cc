#include "server/grpc_server.h"

#include <sys/stat.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server_builder.h"
#include "runtime/base/status.h"
#include "server/health.pb.h"
#include "server/metrics/call_metrics.h"
#include "server/parse_errors.h"
#include "server/socket_path.h"

namespace gantry::server {
namespace {

constexpr int kMaxReceiveBytes = 16 << 20;
// Both streams of an ExecSync at their limit, and the frame around them.
constexpr int kMaxSendBytes = (33 << 20);
constexpr mode_t kSocketMask = 0177;
// How often a server that ends looks for idle connections to close.
constexpr absl::Duration kHangUpPause = absl::Milliseconds(5);

void Configure(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.SetMaxSendMessageSize(kMaxSendBytes);
  // Only reflection is served by gRPC's own threads; the rest are reactors.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  // Statistics of calls that nobody reads.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const std::string& socket_path, cri::Services& services,
    metrics::Metrics* metrics) {
  // gRPC itself would take a living server's socket away.
  RETURN_IF_ERROR(FreeSocketPath(socket_path));
  std::unique_ptr<GrpcServer> server(new GrpcServer(services));
  grpc::EnableDefaultHealthCheckService(true);
  // Links the descriptors of that service in, for reflection.
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  Configure(builder);
  int bound = 0;
  builder.AddListeningPort(absl::StrCat("unix://", socket_path),
                           grpc::InsecureServerCredentials(), &bound);
  builder.RegisterService(&server->runtime_);
  builder.RegisterService(&server->images_);
  builder.RegisterService(&server->admin_);
  std::vector<
      std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
      interceptors;
  interceptors.push_back(server->calls_.Creator());
  interceptors.push_back(server->gate_.Creator());
  interceptors.push_back(ParseErrorInterceptor());
  // Behind the one that may change the status.
  if (metrics != nullptr) {
    interceptors.push_back(metrics::CallMetrics(*metrics));
  }
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  // The socket never exists with a wider mode. Nothing else makes files now:
  // no call is served yet.
  const mode_t mask = umask(kSocketMask);
  server->server_ = builder.BuildAndStart();
  umask(mask);
  if (server->server_ == nullptr || bound == 0) {
    return absl::UnavailableError(
        absl::StrCat("serve on ", socket_path, ": the socket cannot be bound"));
  }
  server->server_->GetHealthCheckService()->SetServingStatus(
      !services.start.Doing().has_value());
  return server;
}

GrpcServer::~GrpcServer() { services_.node.events.Close(); }

void GrpcServer::EndStart() {
  gate_.Open();
  server_->GetHealthCheckService()->SetServingStatus(true);
}

void GrpcServer::Shutdown(absl::Duration patience) {
  services_.node.events.Close();
  const absl::Time deadline = absl::Now() + patience;
  absl::Notification closed;
  // Again and again, for a connection may have been accepted just before.
  std::thread hang_up([this, deadline, &closed] {
    while (!closed.WaitForNotificationWithTimeout(kHangUpPause)) {
      if (calls_.WaitIdle(deadline - absl::Now())) {
        grpc_server_cancel_all_calls(server_->c_server());
      }
    }
  });
  server_->Shutdown(absl::ToChronoTime(deadline));
  closed.Notify();
  hang_up.join();
}

}  // namespace gantry::server
