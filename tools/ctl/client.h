// A connection to a CRI server: one overload of Call per verb, by the type of
// the request. gRPC itself is seen by client.cc only.
//
// Ownership: the Client owns its channel. Thread safety: calls from any number
// of threads at once. Blocking: each call, up to its limit (SetLimit).
// Errors: the server's code and message. UNAVAILABLE when nobody answers, with
// the reason found at the socket and a hint (error_text.h).

#ifndef GANTRY_TOOLS_CTL_CLIENT_H_
#define GANTRY_TOOLS_CTL_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/admin.pb.h"
#include "proto/cri/v1/api.pb.h"

namespace gantry::ctl {

namespace v1 = ::runtime::v1;

// The file behind "unix:///run/x.sock", "unix:/run/x.sock" or "/run/x.sock".
// INVALID_ARGUMENT for any other endpoint: a CRI server is not spoken to over
// a network.
absl::StatusOr<std::string> SocketPath(absl::string_view endpoint);

class Client {
 public:
  // Checks the endpoint; connects at the first call.
  static absl::StatusOr<std::unique_ptr<Client>> For(
      absl::string_view endpoint);
  ~Client();

  // The longest that a call may take, in place of each verb's own default.
  void SetLimit(absl::Duration limit) { limit_ = limit; }

  template <typename Response>
  using Answer = absl::StatusOr<Response>;

  Answer<v1::VersionResponse> Call(const v1::VersionRequest& request);
  Answer<v1::StatusResponse> Call(const v1::StatusRequest& request);

  Answer<v1::RunPodSandboxResponse> Call(
      const v1::RunPodSandboxRequest& request);
  Answer<v1::StopPodSandboxResponse> Call(
      const v1::StopPodSandboxRequest& request);
  Answer<v1::RemovePodSandboxResponse> Call(
      const v1::RemovePodSandboxRequest& request);
  Answer<v1::PodSandboxStatusResponse> Call(
      const v1::PodSandboxStatusRequest& request);
  Answer<v1::ListPodSandboxResponse> Call(
      const v1::ListPodSandboxRequest& request);

  Answer<v1::CreateContainerResponse> Call(
      const v1::CreateContainerRequest& request);
  Answer<v1::StartContainerResponse> Call(
      const v1::StartContainerRequest& request);
  Answer<v1::StopContainerResponse> Call(
      const v1::StopContainerRequest& request);
  Answer<v1::RemoveContainerResponse> Call(
      const v1::RemoveContainerRequest& request);
  Answer<v1::ContainerStatusResponse> Call(
      const v1::ContainerStatusRequest& request);
  Answer<v1::ListContainersResponse> Call(
      const v1::ListContainersRequest& request);
  Answer<v1::ListContainerStatsResponse> Call(
      const v1::ListContainerStatsRequest& request);
  Answer<v1::ListPodSandboxStatsResponse> Call(
      const v1::ListPodSandboxStatsRequest& request);
  // Hands each event to `take`, on this thread, until the server ends the
  // stream (OK), `stop` is true (CANCELLED; it is looked at from another
  // thread, several times a second), or a set limit has passed.
  absl::Status FollowEvents(
      const std::function<void(const v1::ContainerEventResponse&)>& take,
      bool (*stop)());
  // Not limited by default: how long the program runs is its own affair.
  Answer<v1::ExecSyncResponse> Call(const v1::ExecSyncRequest& request);
  Answer<v1::ExecResponse> Call(const v1::ExecRequest& request);
  Answer<v1::AttachResponse> Call(const v1::AttachRequest& request);
  Answer<v1::PortForwardResponse> Call(const v1::PortForwardRequest& request);

  Answer<v1::ListImagesResponse> Call(const v1::ListImagesRequest& request);
  Answer<v1::ImageStatusResponse> Call(const v1::ImageStatusRequest& request);
  // Not limited by default.
  Answer<v1::PullImageResponse> Call(const v1::PullImageRequest& request);
  Answer<v1::RemoveImageResponse> Call(const v1::RemoveImageRequest& request);

  // Hands each message to `take`, on this thread. Ends as FollowEvents does, or
  // with an error of `take`, which cancels the call. Not limited by default.
  template <typename Message>
  using Take = std::function<absl::Status(const Message&)>;
  absl::Status Pull(const admin::v1::PullWithProgressRequest& request,
                    const Take<admin::v1::PullProgress>& take, bool (*stop)());
  absl::Status Save(const admin::v1::SaveRequest& request,
                    const Take<admin::v1::SaveResponse>& take, bool (*stop)());
  absl::Status Verify(const admin::v1::VerifyRequest& request,
                      const Take<admin::v1::VerifyProgress>& take,
                      bool (*stop)());

  Answer<admin::v1::TagResponse> Call(const admin::v1::TagRequest& request);
  Answer<admin::v1::UntagResponse> Call(const admin::v1::UntagRequest& request);
  Answer<admin::v1::UsageResponse> Call(const admin::v1::UsageRequest& request);
  Answer<admin::v1::PruneResponse> Call(const admin::v1::PruneRequest& request);

  // Loads an archive or layout of the server's host. Not limited by default.
  Answer<admin::v1::LoadResponse> LoadPath(const std::string& path);
  // Loads the bytes that `next` gives; an empty piece is the end. An error of
  // `next` cancels the load. Not limited by default.
  using NextChunk = std::function<absl::StatusOr<std::string>()>;
  Answer<admin::v1::LoadResponse> LoadChunks(const NextChunk& next);

 private:
  struct Stubs;
  explicit Client(const std::string& socket_path);

  absl::Duration limit_ = absl::ZeroDuration();
  std::unique_ptr<Stubs> stubs_;
};

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_CLIENT_H_
