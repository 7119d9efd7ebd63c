// Images.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "server/cri/call.h"
#include "server/cri/host_abilities.h"
#include "server/cri/image_rpcs.h"
#include "server/cri/info.h"
#include "server/cri/item_stream.h"
#include "server/cri/translate_image.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::ImageFsInfoResponse;
using ::runtime::v1::ImageStatusResponse;
using ::runtime::v1::ListImagesResponse;
using ::runtime::v1::PullImageResponse;
using ::runtime::v1::RemoveImageResponse;
using ::runtime::v1::StreamImagesResponse;

// Those that match.
absl::StatusOr<std::vector<record::ImageRecord>> Find(
    const Services& services, const runtime::v1::ImageFilter& filter) {
  RETURN_IF_ERROR(CheckRuntimeHandler("filter.image.runtime_handler",
                                      filter.image().runtime_handler(),
                                      services.host));
  const std::string wanted =
      image::Qualify(filter.image().image(), services.host.short_names);
  if (wanted.empty()) return services.images.List();
  std::vector<record::ImageRecord> found;
  absl::StatusOr<record::ImageRecord> image = services.images.Get(wanted);
  if (absl::IsNotFound(image.status())) return found;
  RETURN_IF_ERROR(image);
  found.push_back(*std::move(image));
  return found;
}

// What a client may want to remove, though it has to pull it to use it.
runtime::v1::Image Listed(const Services& services,
                          const record::ImageRecord& image) {
  runtime::v1::Image to = ImageToCri(image, services.host);
  const absl::Status complete = services.node.images.Completeness(image.id());
  if (absl::IsDataLoss(complete)) {
    const absl::string_view lacks = complete.message();
    (*to.mutable_spec()->mutable_annotations())["gantry.image.incomplete"] =
        std::string(lacks);
  }
  return to;
}

absl::StatusOr<ListImagesResponse> List(
    const Services& services, const runtime::v1::ListImagesRequest& request) {
  ASSIGN_OR_RETURN(std::vector<record::ImageRecord> images,
                   Find(services, request.filter()));
  ListImagesResponse response;
  for (const record::ImageRecord& image : images) {
    *response.add_images() = Listed(services, image);
  }
  return response;
}

// Where the image's layers are unpacked, and who uses them now.
std::string VerboseInfo(const Services& services,
                        const record::ImageRecord& image) {
  ImageDirectories directories;
  absl::StatusOr<image::ImageStore::Lowers> lowers =
      services.node.images.LowersOf(image);
  if (lowers.ok()) {
    for (auto dir = lowers->dirs.rbegin(); dir != lowers->dirs.rend(); ++dir) {
      directories.lower.push_back(
          absl::StrCat(services.node.paths.Images(), "/layers/", *dir));
    }
  }
  const std::vector<core::ContainerPtr> containers = services.containers.List();
  for (const core::ContainerPtr& container : containers) {
    if (container->image_id() == image.id()) {
      directories.containers.push_back(container.get());
    }
  }
  return ImageInfo(image, directories);
}

absl::StatusOr<ImageStatusResponse> StatusOf(
    const Services& services, const runtime::v1::ImageStatusRequest& request) {
  ASSIGN_OR_RETURN(std::string name,
                   ImageNameFromCri(request.image(), services.host, "image"));
  ImageStatusResponse response;
  absl::StatusOr<record::ImageRecord> image = services.images.Get(name);
  // Not on the node is no error.
  if (absl::IsNotFound(image.status())) return response;
  RETURN_IF_ERROR(image);
  *response.mutable_image() = ImageToCri(*image, services.host);
  if (request.verbose()) {
    (*response.mutable_info())["info"] = VerboseInfo(services, *image);
  }
  return response;
}

work::Task<absl::StatusOr<PullImageResponse>> Pull(
    Services& services, const runtime::v1::PullImageRequest* request,
    work::Cancellation cancellation) {
  CO_ASSIGN_OR_RETURN(core::PullRequest pull,
                      PullRequestFromCri(*request, services.host));
  pull.cancellation = std::move(cancellation);
  CO_ASSIGN_OR_RETURN(std::string id,
                      co_await services.images.Pull(std::move(pull)));
  PullImageResponse response;
  // CRI since v1.36: the same as Image.id and the containers' image_id.
  response.set_image_ref(std::move(id));
  co_return response;
}

work::Task<absl::StatusOr<RemoveImageResponse>> Remove(
    Services& services, const runtime::v1::RemoveImageRequest* request) {
  CO_ASSIGN_OR_RETURN(
      std::string name,
      ImageNameFromCri(request->image(), services.host, "image"));
  absl::Status removed = co_await services.images.Remove(std::move(name));
  CO_RETURN_IF_ERROR(removed);
  co_return RemoveImageResponse();
}

work::Task<absl::StatusOr<ImageFsInfoResponse>> FsInfo(Services& services) {
  // Counts the blobs' directory.
  absl::StatusOr<core::FilesystemUsage> images = co_await work::RunOn(
      services.node.blocking_executor, services.node.executor,
      [&services] { return services.images.ImageUsage(); });
  CO_RETURN_IF_ERROR(images) << "measure the images";
  absl::StatusOr<core::FilesystemUsage> containers =
      co_await services.images.ContainerUsage();
  CO_RETURN_IF_ERROR(containers) << "measure the writable layers";
  const int64_t now = services.node.clock.UnixNanos();
  ImageFsInfoResponse response;
  *response.add_image_filesystems() = FilesystemUsageToCri(*images, now);
  *response.add_container_filesystems() =
      FilesystemUsageToCri(*containers, now);
  co_return response;
}

}  // namespace

grpc::ServerUnaryReactor* ImageRpcs::ListImages(
    grpc::CallbackServerContext* context,
    const runtime::v1::ListImagesRequest* request,
    runtime::v1::ListImagesResponse* response) {
  return AnswerNow(context, {"ListImages", request->filter().image().image()},
                   List(services_, *request), response);
}

grpc::ServerWriteReactor<StreamImagesResponse>* ImageRpcs::StreamImages(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::StreamImagesRequest* request) {
  const CallName call{"StreamImages", request->filter().image().image()};
  absl::StatusOr<std::vector<record::ImageRecord>> images =
      Find(services_, request->filter());
  if (!images.ok()) {
    return new FailedStream<StreamImagesResponse>(call, images.status());
  }
  using Images = ListedItems<runtime::v1::Image, record::ImageRecord>;
  return new ItemStream<StreamImagesResponse, runtime::v1::Image>(
      services_.node.tasks, call,
      std::make_unique<Images>(
          *std::move(images),
          [&services = services_](const record::ImageRecord& image) {
            return Listed(services, image);
          }),
      &StreamImagesResponse::mutable_images);
}

grpc::ServerUnaryReactor* ImageRpcs::ImageStatus(
    grpc::CallbackServerContext* context,
    const runtime::v1::ImageStatusRequest* request,
    runtime::v1::ImageStatusResponse* response) {
  return AnswerNow(context, {"ImageStatus", request->image().image()},
                   StatusOf(services_, *request), response);
}

grpc::ServerUnaryReactor* ImageRpcs::PullImage(
    grpc::CallbackServerContext* /*context*/,
    const runtime::v1::PullImageRequest* request,
    runtime::v1::PullImageResponse* response) {
  return AnswerUnlessCancelled(
      services_.node.tasks, {"PullImage", request->image().image()},
      [this, request](const work::Cancellation& cancellation) {
        return Pull(services_, request, cancellation);
      },
      response);
}

grpc::ServerUnaryReactor* ImageRpcs::RemoveImage(
    grpc::CallbackServerContext* context,
    const runtime::v1::RemoveImageRequest* request,
    runtime::v1::RemoveImageResponse* response) {
  return AnswerLater(services_.node.tasks, context,
                     {"RemoveImage", request->image().image()},
                     Remove(services_, request), response);
}

grpc::ServerUnaryReactor* ImageRpcs::ImageFsInfo(
    grpc::CallbackServerContext* context,
    const runtime::v1::ImageFsInfoRequest* /*request*/,
    runtime::v1::ImageFsInfoResponse* response) {
  return AnswerLater(services_.node.tasks, context, {"ImageFsInfo", ""},
                     FsInfo(services_), response);
}

}  // namespace gantry::cri
