#include "runtime/image/assemble.h"

#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/implied_directories.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

constexpr absl::string_view kLayerTypes[] = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

// Deflate's best is 1032 times, zstd has no bound.
UnpackLimits LimitsFor(const std::optional<Descriptor>& blob,
                       UnpackLimits limits) {
  if (!blob || blob->size > limits.max_tar_bytes / limits.max_inflation) {
    return limits;
  }
  limits.max_tar_bytes = std::min(
      limits.max_tar_bytes,
      std::max(blob->size * limits.max_inflation, limits.always_allowed_bytes));
  return limits;
}

// Checks a blob as it passes: by the writer that keeps it, or by itself.
class BlobCheck {
 public:
  BlobCheck(ByteSource* source, const Descriptor& blob)
      : blob_(blob), hashed_(source, blob.digest.algorithm()) {}

  ByteSource* source() { return &hashed_; }
  absl::Status CheckSoFar() const {
    if (hashed_.bytes() <= blob_.size) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("blob ", blob_.digest.ToString(),
                                            ": longer than its ", blob_.size,
                                            " bytes"));
  }
  absl::Status Finish() {
    if (hashed_.bytes() != blob_.size) {
      return absl::DataLossError(absl::StrCat("blob ", blob_.digest.ToString(),
                                              ": ", hashed_.bytes(),
                                              " bytes, expected ", blob_.size));
    }
    const Digest found = hashed_.Finish();
    if (found == blob_.digest) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("blob ", blob_.digest.ToString(),
                                            ": the content is ",
                                            found.ToString()));
  }

 private:
  const Descriptor& blob_;
  HashingSource hashed_;
};

}  // namespace

absl::Status CheckLayerType(const Descriptor& layer) {
  for (absl::string_view type : kLayerTypes) {
    if (layer.media_type == type) return absl::OkStatus();
  }
  return absl::UnimplementedError(
      absl::StrCat("layer ", layer.digest.ToString(), ": media type \"",
                   layer.media_type, "\" is not supported"));
}

absl::Status CheckLayerCount(const Manifest& manifest,
                             const ImageConfig& config) {
  if (manifest.layers.size() == config.diff_ids.size()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the manifest has ", manifest.layers.size(),
      " layers, the image configuration ", config.diff_ids.size()));
}

absl::StatusOr<LayerInfo> StoreLayer(ByteSource* source,
                                     const std::optional<Descriptor>& blob,
                                     const Digest& diff_id,
                                     ContentStore* content, LayerStore* layers,
                                     const StoreLayerOptions& options) {
  std::optional<BlobCheck> check;
  std::unique_ptr<BlobWriter> own_writer;
  BlobWriter* writer = nullptr;
  if (blob && options.keep_blob) {
    // The writer verifies the digest: the bytes are hashed once.
    writer = options.writer;
    if (writer == nullptr) {
      ASSIGN_OR_RETURN(own_writer, content->Ingest(blob->digest, blob->size));
      writer = own_writer.get();
    }
  } else if (blob) {
    check.emplace(source, *blob);
    source = check->source();
  }
  int64_t bytes = 0;
  ObservedSource observed(source, [&](absl::string_view chunk) -> absl::Status {
    bytes += chunk.size();
    if (check) {
      RETURN_IF_ERROR(check->CheckSoFar());
    }
    if (writer != nullptr) {
      RETURN_IF_ERROR(writer->Write(chunk));
    }
    if (options.progress) options.progress(bytes);
    if (options.cancelled && options.cancelled()) {
      return absl::CancelledError("layer: cancelled");
    }
    return absl::OkStatus();
  });
  ASSIGN_OR_RETURN(std::unique_ptr<LayerDraft> draft, layers->Begin());
  ASSIGN_OR_RETURN(UnpackResult unpacked,
                   UnpackLayer(&observed, draft->fs_fd(),
                               {.limits = LimitsFor(blob, options.limits),
                                .cancelled = options.cancelled,
                                .run_aside = options.run_aside,
                                .chunks_ahead = options.chunks_ahead,
                                .abandon = options.abandon}));
  if (options.written) options.written();
  // Nothing of the layer is visible until all three have been found right.
  if (check) {
    RETURN_IF_ERROR(check->Finish());
  }
  if (unpacked.diff_id != diff_id) {
    return absl::DataLossError(
        absl::StrCat("layer: its diffID is ", unpacked.diff_id.ToString(),
                     ", the image configuration says ", diff_id.ToString()));
  }
  if (writer != nullptr) {
    RETURN_IF_ERROR(writer->Commit());
  }
  return layers->Publish(std::move(draft), diff_id);
}

absl::StatusOr<HoldTable::Hold> AddImpliedDirectories(
    LayerStore* layers, record::ImageRecord* image) {
  std::vector<UniqueFd> opened;
  std::vector<int> fds;
  for (const record::ImageLayer& layer : image->layers()) {
    ASSIGN_OR_RETURN(Digest diff_id, Digest::Parse(layer.diff_id()));
    const std::optional<LayerInfo> info = layers->Find(diff_id);
    if (!info) {
      return absl::DataLossError(
          absl::StrCat("layer ", layer.diff_id(), " is missing"));
    }
    ASSIGN_OR_RETURN(UniqueFd fd,
                     sys::OpenAt(layers->dir_fd(), info->LowerDir(),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    fds.push_back(fd.get());
    opened.push_back(std::move(fd));
  }
  ASSIGN_OR_RETURN(std::vector<TarEntry> directories, ImpliedDirectories(fds),
                   "implied directories");
  if (directories.empty()) return HoldTable::Hold();
  const Digest id = DigestOf(Describe(directories));
  HoldTable::Hold hold = layers->Hold(id);
  if (!layers->Find(id)) {
    ASSIGN_OR_RETURN(std::unique_ptr<LayerDraft> draft, layers->Begin());
    RETURN_IF_ERROR(MakeDirectories(directories, draft->fs_fd()))
        << "implied directories";
    RETURN_IF_ERROR(layers->Publish(std::move(draft), id));
  }
  record::ImageLayer* layer = image->add_layers();
  layer->set_diff_id(id.ToString());
  layer->set_media_type(std::string(kDirectoriesLayer));
  return hold;
}

record::ImageConfigRecord ToRecord(const ImageConfig& config) {
  record::ImageConfigRecord out;
  out.set_os(config.platform.os);
  out.set_architecture(config.platform.architecture);
  out.set_variant(config.platform.variant);
  out.set_created(config.created);
  out.set_author(config.author);
  out.set_user(config.user);
  out.set_working_dir(config.working_dir);
  out.set_stop_signal(config.stop_signal);
  const auto copy = [](const std::vector<std::string>& from, auto* to) {
    to->Assign(from.begin(), from.end());
  };
  copy(config.env, out.mutable_env());
  copy(config.entrypoint, out.mutable_entrypoint());
  copy(config.cmd, out.mutable_cmd());
  copy(config.volumes, out.mutable_volumes());
  copy(config.exposed_ports, out.mutable_exposed_ports());
  for (const auto& [key, value] : config.labels) {
    (*out.mutable_labels())[key] = value;
  }
  for (const HistoryEntry& entry : config.history) {
    record::ImageHistory* to = out.add_history();
    to->set_created(entry.created);
    to->set_created_by(entry.created_by);
    to->set_author(entry.author);
    to->set_comment(entry.comment);
    to->set_empty_layer(entry.empty_layer);
  }
  return out;
}

record::ImageRecord MakeImageRecord(const Digest& id, const ImageConfig& config,
                                    const std::optional<Manifest>& manifest,
                                    const std::vector<Digest>& documents,
                                    const ContentStore& content) {
  record::ImageRecord image;
  image.set_id(id.ToString());
  *image.mutable_config() = ToRecord(config);
  image.set_pulled_at(RealClock().UnixNanos());
  image.add_blobs(id.ToString());
  for (const Digest& document : documents) {
    image.add_blobs(document.ToString());
  }
  for (size_t i = 0; i < config.diff_ids.size(); ++i) {
    record::ImageLayer* layer = image.add_layers();
    layer->set_diff_id(config.diff_ids[i].ToString());
    if (!manifest) continue;
    const Descriptor& blob = manifest->layers[i];
    layer->set_blob_digest(blob.digest.ToString());
    layer->set_blob_size(blob.size);
    layer->set_media_type(blob.media_type);
    image.set_size(image.size() + blob.size);
    if (content.Has(blob.digest)) image.add_blobs(blob.digest.ToString());
  }
  if (manifest) image.set_size(image.size() + manifest->config.size);
  return image;
}

}  // namespace gantry::image
