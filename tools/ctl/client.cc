#include "tools/ctl/client.h"

#include <grpcpp/grpcpp.h>

#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "proto/admin.grpc.pb.h"
#include "proto/cri/v1/api.grpc.pb.h"
#include "runtime/base/status.h"
#include "tools/ctl/error_text.h"

namespace gantry::ctl {
namespace {

// Defaults for a call: questions are answered at once; changes may wait for a
// program to stop or a network to be made.
constexpr absl::Duration kQuestion = absl::Seconds(10);
constexpr absl::Duration kChange = absl::Minutes(2);
constexpr absl::Duration kUnlimited = absl::InfiniteDuration();
// How often a call without end looks whether to go on.
constexpr absl::Duration kStopPoll = absl::Milliseconds(100);

// gRPC's codes are numbered as absl's are.
absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

void Limit(absl::Duration limit, grpc::ClientContext* context) {
  if (limit == kUnlimited) return;
  context->set_deadline(absl::ToChronoTime(absl::Now() + limit));
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // ExecSync may answer two streams of 16 MiB each.
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  // Each Client has a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A proxy in the environment is not for a socket of this machine.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

struct Client::Stubs {
  Stubs(std::shared_ptr<grpc::Channel> to, std::string path)
      : channel(std::move(to)),
        socket_path(std::move(path)),
        runtime(v1::RuntimeService::NewStub(channel)),
        image(v1::ImageService::NewStub(channel)),
        admin(admin::v1::Admin::NewStub(channel)) {}

  // UNAVAILABLE may be the server's own answer (a registry is away): only
  // without a connection is it about the server.
  absl::Status Outcome(const grpc::Status& status) const {
    const absl::Status outcome = FromGrpc(status);
    if (channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) {
      return outcome;
    }
    return ExplainUnreachable(outcome, socket_path);
  }

  // `chosen`: the user's limit, zero without one.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Unary(
      Stub& stub,
      grpc::Status (Stub::*verb)(grpc::ClientContext*, const Request&,
                                 Response*),
      const Request& request, absl::Duration chosen,
      absl::Duration by_default) const {
    grpc::ClientContext context;
    Limit(chosen > absl::ZeroDuration() ? chosen : by_default, &context);
    Response response;
    const grpc::Status status = (stub.*verb)(&context, request, &response);
    if (!status.ok()) return Outcome(status);
    return response;
  }

  // `begin` gives a reader for the context; the rest as Client::Take says.
  template <typename Message, typename Begin>
  absl::Status Stream(const Begin& begin, const Take<Message>& take,
                      bool (*stop)(), absl::Duration chosen) const {
    grpc::ClientContext context;
    Limit(chosen > absl::ZeroDuration() ? chosen : kUnlimited, &context);
    const auto reader = begin(&context);
    absl::Notification ended;
    // Read waits for a message that may never come.
    std::thread watch([&context, &ended, stop] {
      while (!ended.WaitForNotificationWithTimeout(kStopPoll)) {
        if (stop()) return context.TryCancel();
      }
    });
    absl::Status taken;
    Message message;
    while (taken.ok() && reader->Read(&message)) taken = take(message);
    if (!taken.ok()) context.TryCancel();
    const grpc::Status status = reader->Finish();
    ended.Notify();
    watch.join();
    if (!taken.ok()) return taken;
    return status.ok() ? absl::OkStatus() : Outcome(status);
  }

  std::shared_ptr<grpc::Channel> channel;
  std::string socket_path;
  std::unique_ptr<v1::RuntimeService::Stub> runtime;
  std::unique_ptr<v1::ImageService::Stub> image;
  std::unique_ptr<admin::v1::Admin::Stub> admin;
};

absl::StatusOr<std::string> SocketPath(absl::string_view endpoint) {
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) absl::ConsumePrefix(&path, "//");
  if (!absl::StartsWith(path, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", endpoint,
        "\": expected a socket such as unix:///run/gantry/gantry.sock"));
  }
  // sockaddr_un has no room for more.
  if (path.size() > 107) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", endpoint, "\": a socket's path has at most 107 bytes"));
  }
  return std::string(path);
}

absl::StatusOr<std::unique_ptr<Client>> Client::For(
    absl::string_view endpoint) {
  ASSIGN_OR_RETURN(std::string path, SocketPath(endpoint));
  return std::unique_ptr<Client>(new Client(path));
}

Client::Client(const std::string& socket_path)
    : stubs_(std::make_unique<Stubs>(
          grpc::CreateCustomChannel(absl::StrCat("unix:", socket_path),
                                    grpc::InsecureChannelCredentials(),
                                    Arguments()),
          socket_path)) {}

Client::~Client() = default;

// One line per verb: which stub, and how long it may take by default.
#define GANTRY_CTL_CALL(verb, stub, Service, by_default)                   \
  Client::Answer<v1::verb##Response> Client::Call(                         \
      const v1::verb##Request& request) {                                  \
    return stubs_->Unary(*stubs_->stub, &v1::Service::Stub::verb, request, \
                         limit_, by_default);                              \
  }
#define GANTRY_CTL_ADMIN_CALL(verb, by_default)                         \
  Client::Answer<admin::v1::verb##Response> Client::Call(               \
      const admin::v1::verb##Request& request) {                        \
    return stubs_->Unary(*stubs_->admin, &admin::v1::Admin::Stub::verb, \
                         request, limit_, by_default);                  \
  }

GANTRY_CTL_CALL(Version, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(Status, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(RunPodSandbox, runtime, RuntimeService, kChange)
GANTRY_CTL_CALL(StopPodSandbox, runtime, RuntimeService, kChange)
GANTRY_CTL_CALL(RemovePodSandbox, runtime, RuntimeService, kChange)
GANTRY_CTL_CALL(PodSandboxStatus, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(ListPodSandbox, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(CreateContainer, runtime, RuntimeService, kChange)
GANTRY_CTL_CALL(StartContainer, runtime, RuntimeService, kChange)
GANTRY_CTL_CALL(StopContainer, runtime, RuntimeService, kUnlimited)
GANTRY_CTL_CALL(RemoveContainer, runtime, RuntimeService, kChange)
GANTRY_CTL_CALL(ContainerStatus, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(ListContainers, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(ListContainerStats, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(ListPodSandboxStats, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(ExecSync, runtime, RuntimeService, kUnlimited)
GANTRY_CTL_CALL(Exec, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(Attach, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(PortForward, runtime, RuntimeService, kQuestion)
GANTRY_CTL_CALL(ListImages, image, ImageService, kQuestion)
GANTRY_CTL_CALL(ImageStatus, image, ImageService, kQuestion)
GANTRY_CTL_CALL(PullImage, image, ImageService, kUnlimited)
GANTRY_CTL_CALL(RemoveImage, image, ImageService, kChange)

GANTRY_CTL_ADMIN_CALL(Tag, kChange)
GANTRY_CTL_ADMIN_CALL(Untag, kChange)
GANTRY_CTL_ADMIN_CALL(Usage, kChange)
GANTRY_CTL_ADMIN_CALL(Prune, kUnlimited)

#undef GANTRY_CTL_CALL
#undef GANTRY_CTL_ADMIN_CALL

absl::Status Client::FollowEvents(
    const std::function<void(const v1::ContainerEventResponse&)>& take,
    bool (*stop)()) {
  return stubs_->Stream<v1::ContainerEventResponse>(
      [this](grpc::ClientContext* context) {
        return stubs_->runtime->GetContainerEvents(context,
                                                   v1::GetEventsRequest());
      },
      [&take](const v1::ContainerEventResponse& event) {
        take(event);
        return absl::OkStatus();
      },
      stop, limit_);
}

absl::Status Client::Pull(const admin::v1::PullWithProgressRequest& request,
                          const Take<admin::v1::PullProgress>& take,
                          bool (*stop)()) {
  return stubs_->Stream<admin::v1::PullProgress>(
      [&](grpc::ClientContext* context) {
        return stubs_->admin->PullWithProgress(context, request);
      },
      take, stop, limit_);
}

absl::Status Client::Save(const admin::v1::SaveRequest& request,
                          const Take<admin::v1::SaveResponse>& take,
                          bool (*stop)()) {
  return stubs_->Stream<admin::v1::SaveResponse>(
      [&](grpc::ClientContext* context) {
        return stubs_->admin->Save(context, request);
      },
      take, stop, limit_);
}

absl::Status Client::Verify(const admin::v1::VerifyRequest& request,
                            const Take<admin::v1::VerifyProgress>& take,
                            bool (*stop)()) {
  return stubs_->Stream<admin::v1::VerifyProgress>(
      [&](grpc::ClientContext* context) {
        return stubs_->admin->Verify(context, request);
      },
      take, stop, limit_);
}

Client::Answer<admin::v1::LoadResponse> Client::LoadPath(
    const std::string& path) {
  grpc::ClientContext context;
  Limit(limit_ > absl::ZeroDuration() ? limit_ : kUnlimited, &context);
  admin::v1::LoadResponse response;
  const auto writer = stubs_->admin->Load(&context, &response);
  admin::v1::LoadRequest request;
  request.set_path(path);
  // A refused write means that the answer is there already: Finish has it.
  writer->Write(request);
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return stubs_->Outcome(status);
  return response;
}

Client::Answer<admin::v1::LoadResponse> Client::LoadChunks(
    const NextChunk& next) {
  grpc::ClientContext context;
  Limit(limit_ > absl::ZeroDuration() ? limit_ : kUnlimited, &context);
  admin::v1::LoadResponse response;
  const auto writer = stubs_->admin->Load(&context, &response);
  absl::Status read;
  while (true) {
    absl::StatusOr<std::string> chunk = next();
    if (!chunk.ok()) {
      read = chunk.status();
      context.TryCancel();
      break;
    }
    if (chunk->empty()) break;
    admin::v1::LoadRequest request;
    request.set_chunk(*std::move(chunk));
    if (!writer->Write(request)) break;
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!read.ok()) return read;
  if (!status.ok()) return stubs_->Outcome(status);
  return response;
}

}  // namespace gantry::ctl
