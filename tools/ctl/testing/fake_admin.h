// The admin service of a fake server: answers what it was given and keeps the
// last request of each verb.
//
// Set the answers before a client calls. Thread safety: as a gRPC service; the
// requests may be read once the call has ended.

#ifndef GANTRY_TOOLS_CTL_TESTING_FAKE_ADMIN_H_
#define GANTRY_TOOLS_CTL_TESTING_FAKE_ADMIN_H_

#include <string>
#include <vector>

#include "proto/admin.grpc.pb.h"

namespace gantry::ctl::testing {

class FakeAdmin : public admin::v1::Admin::Service {
 public:
  // What follows the messages of a stream, or comes in place of an answer.
  grpc::Status status;
  std::vector<admin::v1::PullProgress> pull_progress;
  std::vector<std::string> save_chunks;
  admin::v1::UsageResponse usage_response;
  admin::v1::PruneResponse prune_response;
  std::vector<admin::v1::VerifyProgress> verify_progress;
  // Names that Untag finds.
  std::string known_name;

  std::string loaded;  // bytes or path
  admin::v1::PullWithProgressRequest pull;
  admin::v1::SaveRequest save;
  admin::v1::TagRequest tag;
  std::vector<std::string> untagged;
  admin::v1::PruneRequest prune;
  admin::v1::VerifyRequest verify;

  grpc::Status Load(grpc::ServerContext*,
                    grpc::ServerReader<admin::v1::LoadRequest>* reader,
                    admin::v1::LoadResponse* out) override {
    loaded.clear();
    admin::v1::LoadRequest request;
    while (reader->Read(&request)) {
      loaded += request.has_path() ? request.path() : request.chunk();
    }
    admin::v1::LoadedImage* image = out->add_images();
    image->set_id("sha256:00112233445566778899");
    image->add_names("localhost/loaded:latest");
    return status;
  }
  grpc::Status PullWithProgress(
      grpc::ServerContext*, const admin::v1::PullWithProgressRequest* in,
      grpc::ServerWriter<admin::v1::PullProgress>* writer) override {
    pull = *in;
    for (const auto& progress : pull_progress) writer->Write(progress);
    return status;
  }
  grpc::Status Save(
      grpc::ServerContext*, const admin::v1::SaveRequest* in,
      grpc::ServerWriter<admin::v1::SaveResponse>* writer) override {
    save = *in;
    for (const std::string& chunk : save_chunks) {
      admin::v1::SaveResponse response;
      response.set_chunk(chunk);
      writer->Write(response);
    }
    return status;
  }
  grpc::Status Tag(grpc::ServerContext*, const admin::v1::TagRequest* in,
                   admin::v1::TagResponse*) override {
    tag = *in;
    return status;
  }
  grpc::Status Untag(grpc::ServerContext*, const admin::v1::UntagRequest* in,
                     admin::v1::UntagResponse* out) override {
    untagged.push_back(in->name());
    out->set_removed(in->name() == known_name);
    return status;
  }
  grpc::Status Usage(grpc::ServerContext*, const admin::v1::UsageRequest*,
                     admin::v1::UsageResponse* out) override {
    *out = usage_response;
    return status;
  }
  grpc::Status Prune(grpc::ServerContext*, const admin::v1::PruneRequest* in,
                     admin::v1::PruneResponse* out) override {
    prune = *in;
    *out = prune_response;
    return status;
  }
  grpc::Status Verify(
      grpc::ServerContext*, const admin::v1::VerifyRequest* in,
      grpc::ServerWriter<admin::v1::VerifyProgress>* writer) override {
    verify = *in;
    for (const auto& progress : verify_progress) writer->Write(progress);
    return status;
  }
};

}  // namespace gantry::ctl::testing

#endif  // GANTRY_TOOLS_CTL_TESTING_FAKE_ADMIN_H_
