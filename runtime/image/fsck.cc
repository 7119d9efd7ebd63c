#include "runtime/image/fsck.h"

#include <fcntl.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/tree_compare.h"
#include "runtime/image/unpacker.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using Kind = FsckFinding::Kind;
using Images = std::vector<std::string>;

class Checker {
 public:
  Checker(ImageStore* store, const FsckOptions& options)
      : store_(store), options_(options) {}

  absl::StatusOr<FsckResult> Run();

 private:
  // What the images want, and which of them.
  absl::Status Gather();
  absl::Status CheckBlob(const Digest& blob, const Images& images);
  absl::Status CheckLayer(const Digest& diff_id, const Images& images);
  // A layer as it should be.
  struct Fresh {
    std::unique_ptr<LayerDraft> draft;
    std::set<std::string> dated_directories;
  };
  absl::StatusOr<Fresh> Unpack(const Digest& diff_id, const Digest& blob);
  absl::Status Compare(const Digest& diff_id, const Fresh& fresh);
  absl::Status CheckUnused();
  absl::Status Tell(Kind kind, const Digest& object, std::string problem,
                    const Images& images, bool repaired);
  bool Cancelled() const { return options_.cancelled && options_.cancelled(); }

  ImageStore* store_;
  const FsckOptions& options_;
  std::map<Digest, Images> blobs_;
  std::map<Digest, Images> layers_;
  // Blobs that each layer is made of; several images may have several.
  std::map<Digest, std::set<Digest>> sources_;
  std::set<Digest> bad_blobs_;
  FsckResult result_;
};

absl::Status Checker::Gather() {
  for (const record::ImageRecord& image : store_->List()) {
    for (const std::string& name : image.blobs()) {
      ASSIGN_OR_RETURN(Digest blob, Digest::Parse(name));
      blobs_[blob].push_back(image.id());
    }
    for (const record::ImageLayer& layer : image.layers()) {
      ASSIGN_OR_RETURN(Digest diff_id, Digest::Parse(layer.diff_id()));
      Images& images = layers_[diff_id];
      // A layer may be there twice in one image.
      if (images.empty() || images.back() != image.id()) {
        images.push_back(image.id());
      }
      absl::StatusOr<Digest> blob = Digest::Parse(layer.blob_digest());
      if (blob.ok()) sources_[diff_id].insert(*blob);
    }
  }
  return absl::OkStatus();
}

absl::Status Checker::Tell(Kind kind, const Digest& object, std::string problem,
                           const Images& images, bool repaired) {
  return options_.found({.kind = kind,
                         .object = object.ToString(),
                         .problem = std::move(problem),
                         .images = images,
                         .repaired = repaired});
}

absl::Status Checker::CheckBlob(const Digest& blob, const Images& images) {
  ++result_.blobs;
  absl::StatusOr<int64_t> size = store_->content().SizeOf(blob);
  absl::Status status = size.status();
  if (status.ok()) {
    result_.bytes += *size;
    status = store_->content().Verify(blob);
  }
  if (status.ok()) return status;
  bad_blobs_.insert(blob);
  if (absl::IsNotFound(status)) {
    // Removed with its images since Gather: nobody's loss.
    if (!store_->LacksBlob(blob)) return absl::OkStatus();
    return Tell(Kind::kBadBlob, blob, "is missing", images, false);
  }
  bool repaired = false;
  if (options_.repair && absl::IsDataLoss(status)) {
    ASSIGN_OR_RETURN(repaired, store_->content().Remove(blob));
  }
  return Tell(Kind::kBadBlob, blob, std::string(status.message()), images,
              repaired);
}

absl::StatusOr<Checker::Fresh> Checker::Unpack(const Digest& diff_id,
                                               const Digest& blob) {
  const HoldTable::Hold hold = store_->content().Hold(blob);
  ASSIGN_OR_RETURN(UniqueFd fd, store_->content().OpenBlob(blob));
  FdSource source(std::move(fd));
  ASSIGN_OR_RETURN(std::unique_ptr<LayerDraft> draft, store_->layers().Begin());
  ASSIGN_OR_RETURN(
      UnpackResult unpacked,
      UnpackLayer(&source, draft->fs_fd(),
                  {.limits = {}, .cancelled = options_.cancelled}));
  result_.bytes += unpacked.tar_bytes;
  if (unpacked.diff_id != diff_id) {
    return absl::FailedPreconditionError(absl::StrCat(
        "blob ", blob.ToString(), " unpacks to ", unpacked.diff_id.ToString()));
  }
  return Fresh{.draft = std::move(draft),
               .dated_directories = {unpacked.dated_directories.begin(),
                                     unpacked.dated_directories.end()}};
}

// DATA_LOSS: the layer is not what its blob unpacks to, or not there.
absl::Status Checker::Compare(const Digest& diff_id, const Fresh& fresh) {
  const HoldTable::Hold hold = store_->layers().Hold(diff_id);
  const std::optional<LayerInfo> layer = store_->layers().Find(diff_id);
  if (!layer) return absl::DataLossError("is missing");
  ++result_.layers;
  ASSIGN_OR_RETURN(UniqueFd found,
                   sys::OpenAt(store_->layers().dir_fd(), layer->LowerDir(),
                               O_RDONLY | O_DIRECTORY));
  return CompareTrees(fresh.draft->fs_fd(), found.get(),
                      fresh.dated_directories, options_.cancelled);
}

absl::Status Checker::CheckLayer(const Digest& diff_id, const Images& images) {
  std::optional<Digest> blob;
  for (const Digest& source : sources_[diff_id]) {
    if (bad_blobs_.count(source) == 0 && store_->content().Has(source)) {
      blob = source;
    }
  }
  if (!blob) {
    if (!store_->layers().Find(diff_id)) {
      return Tell(Kind::kBadLayer, diff_id, "is missing", images, false);
    }
    return Tell(Kind::kUnverified, diff_id,
                "the blob it was made of is not there to compare it with",
                images, false);
  }
  ASSIGN_OR_RETURN(Fresh fresh, Unpack(diff_id, *blob));
  const absl::Status status = Compare(diff_id, fresh);
  // Of any other error than DATA_LOSS nothing follows for the layer.
  if (!absl::IsDataLoss(status)) return status;
  bool repaired = false;
  if (options_.repair) {
    ASSIGN_OR_RETURN(repaired, store_->ReplaceLayer(std::move(fresh.draft),
                                                    diff_id, options_.in_use));
  }
  return Tell(Kind::kBadLayer, diff_id, std::string(status.message()), images,
              repaired);
}

absl::Status Checker::CheckUnused() {
  // What a pull or load under way has brought is held until its image is there.
  ASSIGN_OR_RETURN(std::vector<Digest> blobs, store_->content().List());
  std::vector<std::pair<Digest, const char*>> unused;
  for (const Digest& blob : blobs) {
    if (blobs_.count(blob) != 0 || store_->content().IsHeld(blob)) continue;
    unused.emplace_back(blob, "a blob");
  }
  for (const LayerInfo& layer : store_->layers().List()) {
    if (layers_.count(layer.diff_id) != 0) continue;
    if (store_->layers().IsHeld(layer.diff_id)) continue;
    if (options_.in_use && options_.in_use(layer.LowerDir())) continue;
    unused.emplace_back(layer.diff_id, "a layer");
  }
  if (unused.empty()) return absl::OkStatus();
  if (options_.repair) {
    RETURN_IF_ERROR(store_->CollectGarbage(options_.in_use));
  }
  for (const auto& [object, what] : unused) {
    const bool gone = !store_->content().Has(object) &&
                      !store_->layers().Find(object).has_value();
    RETURN_IF_ERROR(Tell(Kind::kUnused, object,
                         absl::StrCat(what, " that no image uses"), {},
                         options_.repair && gone));
  }
  return absl::OkStatus();
}

absl::StatusOr<FsckResult> Checker::Run() {
  RETURN_IF_ERROR(Gather());
  for (const auto& [blob, images] : blobs_) {
    if (Cancelled()) return absl::CancelledError("fsck: cancelled");
    RETURN_IF_ERROR(CheckBlob(blob, images)) << "verify " << blob.ToString();
  }
  for (const auto& [diff_id, images] : layers_) {
    if (Cancelled()) return absl::CancelledError("fsck: cancelled");
    RETURN_IF_ERROR(CheckLayer(diff_id, images))
        << "verify layer " << diff_id.ToString();
  }
  RETURN_IF_ERROR(CheckUnused());
  return result_;
}

}  // namespace

absl::StatusOr<FsckResult> Fsck(ImageStore* store, const FsckOptions& options) {
  return Checker(store, options).Run();
}

}  // namespace gantry::image
