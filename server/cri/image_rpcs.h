// CRI's ImageService.
//
// Thread safety: as RuntimeRpcs.

#ifndef GANTRY_SERVER_CRI_IMAGE_RPCS_H_
#define GANTRY_SERVER_CRI_IMAGE_RPCS_H_

#include "proto/cri/v1/api.grpc.pb.h"
#include "server/cri/services.h"

namespace gantry::cri {

class ImageRpcs final : public runtime::v1::ImageService::CallbackService {
 public:
  explicit ImageRpcs(Services& services) : services_(services) {}

  // images.cc
  grpc::ServerUnaryReactor* ListImages(
      grpc::CallbackServerContext* context,
      const runtime::v1::ListImagesRequest* request,
      runtime::v1::ListImagesResponse* response) override;
  grpc::ServerUnaryReactor* ImageStatus(
      grpc::CallbackServerContext* context,
      const runtime::v1::ImageStatusRequest* request,
      runtime::v1::ImageStatusResponse* response) override;
  grpc::ServerUnaryReactor* PullImage(
      grpc::CallbackServerContext* context,
      const runtime::v1::PullImageRequest* request,
      runtime::v1::PullImageResponse* response) override;
  grpc::ServerUnaryReactor* RemoveImage(
      grpc::CallbackServerContext* context,
      const runtime::v1::RemoveImageRequest* request,
      runtime::v1::RemoveImageResponse* response) override;
  grpc::ServerUnaryReactor* ImageFsInfo(
      grpc::CallbackServerContext* context,
      const runtime::v1::ImageFsInfoRequest* request,
      runtime::v1::ImageFsInfoResponse* response) override;
  grpc::ServerWriteReactor<runtime::v1::StreamImagesResponse>* StreamImages(
      grpc::CallbackServerContext* context,
      const runtime::v1::StreamImagesRequest* request) override;

 private:
  Services& services_;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_IMAGE_RPCS_H_
