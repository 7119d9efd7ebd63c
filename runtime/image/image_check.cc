#include "runtime/image/image_check.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/image/digest.h"

namespace gantry::image {
namespace {

// Configurations and manifests are; layers are not, mostly.
constexpr int64_t kSmallBytes = 64 << 10;

// NOT_FOUND: missing. DATA_LOSS: damaged.
absl::Status CheckBlob(const record::ImageRecord& image, const Digest& blob,
                       const ContentStore& content) {
  absl::StatusOr<int64_t> size = content.SizeOf(blob);
  if (absl::IsNotFound(size.status())) {
    return absl::NotFoundError(
        absl::StrCat("blob ", blob.ToString(), " is missing"));
  }
  RETURN_IF_ERROR(size);
  auto expected = image.blob_sizes().find(blob.ToString());
  if (expected != image.blob_sizes().end() && expected->second != *size) {
    return absl::DataLossError(absl::StrCat("blob ", blob.ToString(), " has ",
                                            *size, " bytes, not ",
                                            expected->second));
  }
  return *size > kSmallBytes ? absl::OkStatus() : content.Verify(blob);
}

}  // namespace

absl::Status CheckNames(const record::ImageRecord& image) {
  absl::Status status = Digest::Parse(image.id()).status();
  for (const record::ImageLayer& layer : image.layers()) {
    status.Update(Digest::Parse(layer.diff_id()).status());
  }
  for (const std::string& blob : image.blobs()) {
    status.Update(Digest::Parse(blob).status());
  }
  return status.ok() ? status : absl::DataLossError(status.message());
}

absl::Status CheckLayers(const record::ImageRecord& image,
                         const LayerStore& layers) {
  for (const record::ImageLayer& layer : image.layers()) {
    ASSIGN_OR_RETURN(Digest diff_id, Digest::Parse(layer.diff_id()));
    if (layers.Find(diff_id)) continue;
    return absl::DataLossError(
        absl::StrCat("layer ", layer.diff_id(), " is missing"));
  }
  return absl::OkStatus();
}

absl::Status RemoveDamagedBlobs(const record::ImageRecord& image,
                                ContentStore* content,
                                std::vector<absl::Status>* problems) {
  for (const std::string& name : image.blobs()) {
    ASSIGN_OR_RETURN(Digest blob, Digest::Parse(name));
    const absl::Status status = CheckBlob(image, blob, *content);
    if (status.ok()) continue;
    problems->push_back(Annotate(status, absl::StrCat("image ", image.id())));
    if (absl::IsDataLoss(status)) {
      RETURN_IF_ERROR(content->Remove(blob));
    }
  }
  return absl::OkStatus();
}

absl::Status NoteBlobSizes(const ContentStore& content,
                           record::ImageRecord* image) {
  for (const std::string& name : image->blobs()) {
    ASSIGN_OR_RETURN(Digest blob, Digest::Parse(name));
    absl::StatusOr<int64_t> size = content.SizeOf(blob);
    if (absl::IsNotFound(size.status())) {
      return absl::DataLossError(absl::StrCat("blob ", name, " is missing"));
    }
    RETURN_IF_ERROR(size);
    (*image->mutable_blob_sizes())[name] = *size;
  }
  return absl::OkStatus();
}

}  // namespace gantry::image
