#include "server/grpc_server.h"

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
#include "runtime/base/unique_fd.h"
#include "server/health.pb.h"
#include "server/metrics/call_metrics.h"
#include "server/parse_errors.h"
#include "server/work/thread.h"

namespace gantry::server {
namespace {

constexpr int kMaxReceiveBytes = 16 << 20;
// Both streams of an ExecSync at their limit, and the frame around them.
constexpr int kMaxSendBytes = (33 << 20);
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
  ASSIGN_OR_RETURN(std::unique_ptr<Listener> listener,
                   Listener::Listen(socket_path));
  std::unique_ptr<GrpcServer> server(new GrpcServer(services));
  grpc::EnableDefaultHealthCheckService(true);
  // Links the descriptors of that service in, for reflection.
  grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  Configure(builder);
  server->acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
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
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("serve on ", socket_path, ": gRPC does not start"));
  }
  server->server_->GetHealthCheckService()->SetServingStatus(
      !services.start.Doing().has_value());
  server->listener_ = std::move(listener);
  RETURN_IF_ERROR(server->listener_->Begin([acceptor = server->acceptor_.get()](
                                               UniqueFd connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters to;
    to.fd = connection.Release();
    acceptor->HandleNewConnection(&to);
  }));
  return server;
}

GrpcServer::~GrpcServer() { services_.node.events.Close(); }

void GrpcServer::EndStart() {
  gate_.Open();
  server_->GetHealthCheckService()->SetServingStatus(true);
}

void GrpcServer::Shutdown(absl::Duration patience) {
  listener_->Stop();
  services_.node.events.Close();
  const absl::Time deadline = absl::Now() + patience;
  absl::Notification closed;
  // Again and again, for a connection may have been accepted just before.
  absl::StatusOr<std::thread> hang_up =
      work::StartThread("hang_up", [this, deadline, &closed] {
        while (!closed.WaitForNotificationWithTimeout(kHangUpPause)) {
          if (calls_.WaitIdle(deadline - absl::Now())) {
            grpc_server_cancel_all_calls(server_->c_server());
          }
        }
      });
  // Without that thread idle clients keep this until the deadline.
  server_->Shutdown(absl::ToChronoTime(deadline));
  closed.Notify();
  if (hang_up.ok()) hang_up->join();
}

}  // namespace gantry::server
