// Containers: the verbs that look at them, answered from memory.

#include <map>
#include <string>
#include <utility>

#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/filters.h"
#include "server/cri/info.h"
#include "server/cri/runtime_rpcs.h"
#include "server/cri/translate_container.h"
#include "server/cri/translate_image.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ContainerStatusResponse;

// image_ref by image id, each looked up once per call. An image that was
// removed under its containers is known by its id alone.
class ImageRefs {
 public:
  explicit ImageRefs(const core::ImageService& images) : images_(images) {}

  const std::string& Of(const std::string& image_id) {
    auto [entry, is_new] = refs_.try_emplace(image_id, image_id);
    if (is_new) {
      absl::StatusOr<record::ImageRecord> image = images_.Get(image_id);
      if (image.ok()) entry->second = ImageRefOf(*image);
    }
    return entry->second;
  }

 private:
  const core::ImageService& images_;
  std::map<std::string, std::string> refs_;
};

absl::StatusOr<ContainerStatusResponse> StatusOf(
    const Services& services,
    const runtime::v1::ContainerStatusRequest& request) {
  ASSIGN_OR_RETURN(core::ContainerPtr container,
                   services.containers.Get(request.container_id()));
  // Of a record that holds none all but image and mounts is told.
  runtime::v1::ContainerConfig config;
  config.ParseFromString(container->cri_config());
  ImageRefs refs(services.images);
  ContainerStatusResponse response;
  *response.mutable_status() =
      ContainerStatusToCri(*container, config, refs.Of(container->image_id()));
  if (request.verbose()) {
    (*response.mutable_info())["info"] = ContainerInfo(*container, config);
  }
  return response;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeRpcs::ListContainers(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListContainersRequest* request,
    runtime::v1::ListContainersResponse* response) {
  ImageRefs refs(services_.images);
  for (const core::ContainerPtr& container : services_.containers.List()) {
    if (Matches(*container, request->filter())) {
      *response->add_containers() =
          ContainerToCri(*container, refs.Of(container->image_id()));
    }
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* RuntimeRpcs::ContainerStatus(
    grpc::CallbackServerContext* context,
    const runtime::v1::ContainerStatusRequest* request,
    runtime::v1::ContainerStatusResponse* response) {
  return AnswerNow(context, {"ContainerStatus", request->container_id()},
                   StatusOf(services_, *request), response);
}

}  // namespace gantry::cri
