// gantry.admin.v1: what Gantry offers beyond CRI.
//
// Thread safety: as RuntimeRpcs.

#ifndef GANTRY_SERVER_CRI_ADMIN_RPCS_H_
#define GANTRY_SERVER_CRI_ADMIN_RPCS_H_

#include "proto/admin.grpc.pb.h"
#include "server/core/image_admin.h"
#include "server/cri/services.h"

namespace gantry::cri {

class AdminRpcs final : public admin::v1::Admin::CallbackService {
 public:
  explicit AdminRpcs(Services& services)
      : services_(services), admin_(services.node) {}

  // admin.cc
  grpc::ServerReadReactor<admin::v1::LoadRequest>* Load(
      grpc::CallbackServerContext* context,
      admin::v1::LoadResponse* response) override;

  // admin_pull.cc
  grpc::ServerWriteReactor<admin::v1::PullProgress>* PullWithProgress(
      grpc::CallbackServerContext* context,
      const admin::v1::PullWithProgressRequest* request) override;

  // admin_images.cc
  grpc::ServerWriteReactor<admin::v1::SaveResponse>* Save(
      grpc::CallbackServerContext* context,
      const admin::v1::SaveRequest* request) override;
  grpc::ServerUnaryReactor* Tag(grpc::CallbackServerContext* context,
                                const admin::v1::TagRequest* request,
                                admin::v1::TagResponse* response) override;
  grpc::ServerUnaryReactor* Untag(grpc::CallbackServerContext* context,
                                  const admin::v1::UntagRequest* request,
                                  admin::v1::UntagResponse* response) override;
  grpc::ServerUnaryReactor* History(
      grpc::CallbackServerContext* context,
      const admin::v1::HistoryRequest* request,
      admin::v1::HistoryResponse* response) override;
  grpc::ServerUnaryReactor* Usage(grpc::CallbackServerContext* context,
                                  const admin::v1::UsageRequest* request,
                                  admin::v1::UsageResponse* response) override;
  grpc::ServerUnaryReactor* Prune(grpc::CallbackServerContext* context,
                                  const admin::v1::PruneRequest* request,
                                  admin::v1::PruneResponse* response) override;
  grpc::ServerWriteReactor<admin::v1::VerifyProgress>* Verify(
      grpc::CallbackServerContext* context,
      const admin::v1::VerifyRequest* request) override;

 private:
  Services& services_;
  core::ImageAdmin admin_;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_ADMIN_RPCS_H_
