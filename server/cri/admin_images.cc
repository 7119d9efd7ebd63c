// Images saved, tagged, measured, pruned and verified.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/image/digest.h"
#include "server/core/image_admin.h"
#include "server/cri/admin_rpcs.h"
#include "server/cri/call.h"
#include "server/cri/check.h"
#include "server/cri/fed_stream.h"
#include "server/cri/translate_image.h"

namespace gantry::cri {
namespace {

using admin::v1::ContainerUsage;
using admin::v1::HistoryRequest;
using admin::v1::HistoryResponse;
using admin::v1::HistoryStep;
using admin::v1::ImageUsage;
using admin::v1::PrunedImage;
using admin::v1::PruneRequest;
using admin::v1::PruneResponse;
using admin::v1::SaveRequest;
using admin::v1::SaveResponse;
using admin::v1::TagRequest;
using admin::v1::TagResponse;
using admin::v1::UntagRequest;
using admin::v1::UntagResponse;
using admin::v1::UsageRequest;
using admin::v1::UsageResponse;
using admin::v1::VerifyFinding;
using admin::v1::VerifyProgress;
using admin::v1::VerifyRequest;

constexpr size_t kChunkBytes = 1 << 20;
// Archives come in small pieces; messages are worth their cost.
constexpr size_t kFullChunk = 256 << 10;

// Joins pieces to chunks.
class ChunkSender {
 public:
  explicit ChunkSender(FedStream<SaveResponse>* stream) : stream_(stream) {}

  absl::Status Take(absl::string_view bytes) {
    while (!bytes.empty()) {
      const absl::string_view piece =
          bytes.substr(0, kChunkBytes - chunk_.size());
      absl::StrAppend(&chunk_, piece);
      bytes.remove_prefix(piece.size());
      if (chunk_.size() >= kFullChunk) {
        RETURN_IF_ERROR(Flush());
      }
    }
    return absl::OkStatus();
  }
  absl::Status Flush() {
    if (chunk_.empty()) return absl::OkStatus();
    SaveResponse response;
    response.set_chunk(std::move(chunk_));
    chunk_.clear();
    return stream_->Send(std::move(response));
  }

 private:
  FedStream<SaveResponse>* const stream_;
  std::string chunk_;
};

absl::Status CheckNames(const SaveRequest& request) {
  if (request.images().empty()) return BadField("images", "is empty");
  for (const std::string& name : request.images()) {
    RETURN_IF_ERROR(CheckNoNul("images", name));
    if (name.empty()) return BadField("images", "has an empty name");
  }
  if (!SaveRequest::Format_IsValid(request.format())) {
    return BadField("format", "is unknown");
  }
  return absl::OkStatus();
}

work::Task<absl::Status> SaveTo(core::ImageAdmin& admin,
                                const SaveRequest* request,
                                FedStream<SaveResponse>* stream) {
  absl::Status good = CheckNames(*request);
  CO_RETURN_IF_ERROR(good);
  core::SaveRequest save = {
      .images = {request->images().begin(), request->images().end()},
      .format = request->format() == SaveRequest::DOCKER_ARCHIVE
                    ? image::ArchiveFormat::kDockerArchive
                    : image::ArchiveFormat::kOciLayout};
  ChunkSender chunks(stream);
  absl::Status saved = co_await admin.Save(
      std::move(save),
      [&chunks](absl::string_view bytes) { return chunks.Take(bytes); });
  CO_RETURN_IF_ERROR(saved) << "save";
  co_return chunks.Flush();
}

work::Task<absl::StatusOr<UntagResponse>> Untagged(
    work::Task<absl::StatusOr<bool>> untag) {
  absl::StatusOr<bool> removed = co_await std::move(untag);
  CO_RETURN_IF_ERROR(removed);
  UntagResponse response;
  response.set_removed(*removed);
  co_return response;
}

absl::StatusOr<HistoryResponse> HistoryOf(const Services& services,
                                          const std::string& name) {
  ASSIGN_OR_RETURN(record::ImageRecord image, services.images.Get(name));
  HistoryResponse response;
  int layer = 0;
  for (const record::ImageHistory& from : image.config().history()) {
    HistoryStep& step = *response.add_steps();
    step.set_created(from.created());
    step.set_created_by(from.created_by());
    step.set_author(from.author());
    step.set_comment(from.comment());
    step.set_empty_layer(from.empty_layer());
    // History is what the image says; it may tell of more layers than it has.
    if (from.empty_layer() || layer >= image.layers_size()) continue;
    const std::string& diff_id = image.layers(layer++).diff_id();
    step.set_diff_id(diff_id);
    ASSIGN_OR_RETURN(image::Digest digest, image::Digest::Parse(diff_id));
    const auto info = services.node.images.layers().Find(digest);
    if (info) step.set_bytes(info->usage.bytes);
  }
  return response;
}

work::Task<absl::StatusOr<UsageResponse>> UsageNow(Services& services,
                                                   core::ImageAdmin& admin) {
  CO_ASSIGN_OR_RETURN(core::NodeImageUsage usage, co_await admin.Usage());
  UsageResponse response;
  response.set_images_bytes(usage.store.bytes);
  response.set_images_inodes(usage.store.inodes);
  for (const core::NodeImageUsage::Image& image : usage.images) {
    const record::ImageRecord& record = image.space.image;
    ImageUsage& to = *response.add_images();
    to.set_id(record.id());
    *to.mutable_names() = record.repo_tags();
    to.set_own_bytes(image.space.own_bytes);
    to.set_shared_bytes(image.space.shared_bytes);
    to.set_containers(image.containers);
    to.set_pinned(ImageToCri(record, services.host).pinned());
    const absl::string_view lacks = image.complete.message();
    to.set_incomplete(lacks.data(), lacks.size());
  }
  for (const core::NodeImageUsage::Container& container : usage.containers) {
    ContainerUsage& to = *response.add_containers();
    to.set_id(container.container->id());
    to.set_name(container.container->metadata().name());
    to.set_image_id(container.container->image_id());
    to.set_bytes(container.usage.bytes);
    to.set_inodes(container.usage.inodes);
  }
  co_return response;
}

work::Task<absl::StatusOr<PruneResponse>> PruneNow(
    Services& services, core::ImageAdmin& admin, const PruneRequest* request) {
  core::PruneRequest prune = {.dangling_only = request->dangling_only(),
                              .dry_run = request->dry_run(),
                              .pinned = {services.host.pinned_images.begin(),
                                         services.host.pinned_images.end()}};
  CO_ASSIGN_OR_RETURN(core::Pruned pruned,
                      co_await admin.Prune(std::move(prune)));
  PruneResponse response;
  response.set_freed_bytes(pruned.freed_bytes);
  for (const record::ImageRecord& image : pruned.images) {
    PrunedImage& to = *response.add_images();
    to.set_id(image.id());
    *to.mutable_names() = image.repo_tags();
  }
  co_return response;
}

VerifyFinding::Kind KindToProto(image::FsckFinding::Kind kind) {
  switch (kind) {
    case image::FsckFinding::Kind::kBadBlob:
      return VerifyFinding::BAD_BLOB;
    case image::FsckFinding::Kind::kBadLayer:
      return VerifyFinding::BAD_LAYER;
    case image::FsckFinding::Kind::kUnverified:
      return VerifyFinding::UNVERIFIED;
    case image::FsckFinding::Kind::kUnused:
      return VerifyFinding::UNUSED;
  }
  return VerifyFinding::UNKNOWN;
}

work::Task<absl::Status> VerifyTo(core::ImageAdmin& admin, bool repair,
                                  FedStream<VerifyProgress>* stream) {
  auto found = [stream](const image::FsckFinding& finding) {
    VerifyProgress progress;
    VerifyFinding& to = *progress.mutable_finding();
    to.set_kind(KindToProto(finding.kind));
    to.set_object(finding.object);
    to.set_problem(finding.problem);
    to.mutable_images()->Assign(finding.images.begin(), finding.images.end());
    to.set_repaired(finding.repaired);
    return stream->Send(std::move(progress));
  };
  CO_ASSIGN_OR_RETURN(
      image::FsckResult result,
      co_await admin.Verify(repair, found, stream->cancellation()));
  VerifyProgress last;
  last.mutable_totals()->set_blobs(result.blobs);
  last.mutable_totals()->set_layers(result.layers);
  last.mutable_totals()->set_bytes(result.bytes);
  co_return stream->Send(std::move(last));
}

}  // namespace

grpc::ServerWriteReactor<SaveResponse>* AdminRpcs::Save(
    grpc::CallbackServerContext* /*context*/, const SaveRequest* request) {
  auto* stream = new FedStream<SaveResponse>(
      {"Save", absl::StrJoin(request->images(), " ")});
  services_.node.tasks.Start(
      SaveTo(admin_, request, stream),
      [stream](const absl::Status& status) { stream->End(status); });
  return stream;
}

grpc::ServerUnaryReactor* AdminRpcs::Tag(grpc::CallbackServerContext* context,
                                         const TagRequest* request,
                                         TagResponse* response) {
  return AnswerLater(
      services_.node.tasks, context, {"Tag", request->image()},
      Emptily<TagResponse>(admin_.Tag(request->image(), request->name())),
      response);
}

grpc::ServerUnaryReactor* AdminRpcs::Untag(grpc::CallbackServerContext* context,
                                           const UntagRequest* request,
                                           UntagResponse* response) {
  return AnswerLater(services_.node.tasks, context, {"Untag", request->name()},
                     Untagged(admin_.Untag(request->name())), response);
}

grpc::ServerUnaryReactor* AdminRpcs::History(
    grpc::CallbackServerContext* context, const HistoryRequest* request,
    HistoryResponse* response) {
  return AnswerNow(context, {"History", request->image()},
                   HistoryOf(services_, request->image()), response);
}

grpc::ServerUnaryReactor* AdminRpcs::Usage(grpc::CallbackServerContext* context,
                                           const UsageRequest* /*request*/,
                                           UsageResponse* response) {
  return AnswerLater(services_.node.tasks, context, {"Usage", ""},
                     UsageNow(services_, admin_), response);
}

grpc::ServerUnaryReactor* AdminRpcs::Prune(grpc::CallbackServerContext* context,
                                           const PruneRequest* request,
                                           PruneResponse* response) {
  return AnswerLater(services_.node.tasks, context, {"Prune", ""},
                     PruneNow(services_, admin_, request), response);
}

grpc::ServerWriteReactor<VerifyProgress>* AdminRpcs::Verify(
    grpc::CallbackServerContext* /*context*/, const VerifyRequest* request) {
  auto* stream = new FedStream<VerifyProgress>({"Verify", ""});
  services_.node.tasks.Start(
      VerifyTo(admin_, request->repair(), stream),
      [stream](const absl::Status& status) { stream->End(status); });
  return stream;
}

}  // namespace gantry::cri
