// gantry.admin.v1: what Gantry offers beyond CRI.
//
// Thread safety: as RuntimeRpcs.

#ifndef GANTRY_SERVER_CRI_ADMIN_RPCS_H_
#define GANTRY_SERVER_CRI_ADMIN_RPCS_H_

#include "proto/admin.grpc.pb.h"
#include "server/cri/services.h"

namespace gantry::cri {

class AdminRpcs final : public admin::v1::Admin::CallbackService {
 public:
  explicit AdminRpcs(Services& services) : services_(services) {}

  // admin.cc
  grpc::ServerReadReactor<admin::v1::LoadRequest>* Load(
      grpc::CallbackServerContext* context,
      admin::v1::LoadResponse* response) override;

 private:
  Services& services_;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_ADMIN_RPCS_H_
