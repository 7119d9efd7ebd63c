#include "runtime/image/exporter.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/image/assemble.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/manifest.h"
#include "runtime/image/reference.h"
#include "runtime/json/json.h"

namespace gantry::image {
namespace {

// Of one image, what the archive's documents say of it.
struct Part {
  std::vector<std::string> names;
  Digest config;
  // Of a layout only.
  std::optional<Digest> manifest;
  std::string manifest_type;
  int64_t manifest_size = 0;
  std::vector<Digest> layers;  // bottom layer first
};

class Exporter {
 public:
  Exporter(ImageStore* store, ArchiveFormat format, const ByteSink& sink)
      : content_(store->content()), format_(format), tar_(sink) {}

  absl::Status Add(const ExportedImage& image);
  absl::Status Write();

 private:
  absl::StatusOr<Digest> Want(const std::string& digest);
  absl::Status WriteBlob(const std::string& name, const Digest& digest);
  std::string RefName(const std::string& tag) const;
  std::string IndexJson() const;
  std::string ManifestJson() const;
  absl::Status WriteLayout();
  absl::Status WriteDockerArchive();

  ContentStore& content_;
  const ArchiveFormat format_;
  TarWriter tar_;
  std::vector<Part> parts_;
  // Each blob once, though images share it.
  std::map<Digest, int64_t> blobs_;
  std::vector<HoldTable::Hold> holds_;
};

std::string ShownName(const record::ImageRecord& image) {
  return image.repo_tags().empty() ? image.id() : image.repo_tags(0);
}

std::string BlobPath(const Digest& digest) {
  return absl::StrCat("blobs/", digest.algorithm_name(), "/", digest.hex());
}

// In a docker-archive.
std::string ConfigPath(const Digest& digest) { return digest.hex() + ".json"; }
std::string LayerPath(const Digest& digest) { return digest.hex() + ".tar"; }

absl::StatusOr<Digest> Exporter::Want(const std::string& digest) {
  ASSIGN_OR_RETURN(Digest blob, Digest::Parse(digest));
  // Held before it is looked at, so that it cannot go in between.
  holds_.push_back(content_.Hold(blob));
  absl::StatusOr<int64_t> size = content_.SizeOf(blob);
  if (absl::IsNotFound(size.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("blob ", digest,
                     " is not in the store any more; pull or "
                     "load the image again"));
  }
  RETURN_IF_ERROR(size);
  blobs_[blob] = *size;
  return blob;
}

absl::Status Exporter::Add(const ExportedImage& exported) {
  const record::ImageRecord& image = exported.image;
  ASSIGN_OR_RETURN(Digest config, Want(image.id()));
  Part part = {.names = exported.names, .config = config};
  if (part.names.empty()) {
    part.names.assign(image.repo_tags().begin(), image.repo_tags().end());
  }
  for (const record::ImageLayer& layer : image.layers()) {
    // Ours, made of the others.
    if (layer.media_type() == kDirectoriesLayer) continue;
    const auto& kept = image.blobs();
    if (layer.blob_digest().empty()) {
      return absl::FailedPreconditionError(
          "it came in a docker-archive, and of that the layers are kept "
          "unpacked only; pull it, or load it from an OCI layout");
    }
    if (std::find(kept.begin(), kept.end(), layer.blob_digest()) ==
        kept.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("layer blob ", layer.blob_digest(), " was not kept"));
    }
    ASSIGN_OR_RETURN(Digest blob, Want(layer.blob_digest()));
    part.layers.push_back(std::move(blob));
  }
  if (format_ == ArchiveFormat::kOciLayout) {
    if (image.manifest_digest().empty()) {
      return absl::FailedPreconditionError("it came without a manifest");
    }
    ASSIGN_OR_RETURN(part.manifest, Want(image.manifest_digest()));
    ASSIGN_OR_RETURN(std::string text,
                     content_.Read(*part.manifest, kMaxManifestBytes));
    ASSIGN_OR_RETURN(auto document, ParseManifestOrIndex(text, ""));
    const auto* manifest = std::get_if<Manifest>(&document);
    if (manifest == nullptr) {
      return absl::DataLossError(
          absl::StrCat("blob ", image.manifest_digest(), " is not a manifest"));
    }
    part.manifest_type = manifest->media_type;
    part.manifest_size = text.size();
  }
  parts_.push_back(std::move(part));
  return absl::OkStatus();
}

absl::Status Exporter::WriteBlob(const std::string& name,
                                 const Digest& digest) {
  ASSIGN_OR_RETURN(UniqueFd fd, content_.OpenBlob(digest));
  FdSource file(std::move(fd));
  HashingSource source(&file, digest.algorithm());
  RETURN_IF_ERROR(tar_.BeginFile(name, blobs_.at(digest)));
  while (true) {
    ASSIGN_OR_RETURN(absl::string_view piece, source.Next());
    if (piece.empty()) break;
    RETURN_IF_ERROR(tar_.Write(piece));
  }
  RETURN_IF_ERROR(tar_.EndFile());
  if (source.Finish() == digest) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("blob ", digest.ToString(), ": its content has changed"));
}

// The tag alone, as readers expect it, if no other image here has the same.
std::string Exporter::RefName(const std::string& name) const {
  const std::string tag = name.substr(name.rfind(':') + 1);
  int same = 0;
  for (const Part& part : parts_) {
    for (const std::string& other : part.names) {
      if (other.substr(other.rfind(':') + 1) == tag) ++same;
    }
  }
  return same > 1 ? name : tag;
}

std::string Exporter::IndexJson() const {
  std::vector<std::string> entries;
  for (const Part& part : parts_) {
    const std::string head = absl::StrCat(
        R"({"mediaType":)", json::Quote(part.manifest_type), R"(,"digest":")",
        part.manifest->ToString(), R"(","size":)", part.manifest_size);
    if (part.names.empty()) entries.push_back(head + "}");
    for (const std::string& name : part.names) {
      entries.push_back(absl::StrCat(
          head, R"(,"annotations":{"io.containerd.image.name":)",
          json::Quote(name), R"(,"org.opencontainers.image.ref.name":)",
          json::Quote(RefName(name)), "}}"));
    }
  }
  return absl::StrCat(R"({"schemaVersion":2,"mediaType":")", kOciIndexType,
                      R"(","manifests":[)", absl::StrJoin(entries, ","), "]}");
}

std::string Exporter::ManifestJson() const {
  const auto quoted = [](std::string* out, const std::string& text) {
    absl::StrAppend(out, json::Quote(text));
  };
  std::vector<std::string> entries;
  for (const Part& part : parts_) {
    std::vector<std::string> layers;
    for (const Digest& layer : part.layers) layers.push_back(LayerPath(layer));
    entries.push_back(absl::StrCat(
        R"({"Config":)", json::Quote(ConfigPath(part.config)),
        R"(,"RepoTags":[)", absl::StrJoin(part.names, ",", quoted),
        R"(],"Layers":[)", absl::StrJoin(layers, ",", quoted), "]}"));
  }
  return absl::StrCat("[", absl::StrJoin(entries, ","), "]");
}

absl::Status Exporter::WriteLayout() {
  RETURN_IF_ERROR(
      tar_.AddFile("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
  RETURN_IF_ERROR(tar_.AddFile("index.json", IndexJson()));
  for (const auto& [digest, size] : blobs_) {
    RETURN_IF_ERROR(WriteBlob(BlobPath(digest), digest));
  }
  return absl::OkStatus();
}

absl::Status Exporter::WriteDockerArchive() {
  RETURN_IF_ERROR(tar_.AddFile("manifest.json", ManifestJson()));
  std::set<std::string> written;
  for (const Part& part : parts_) {
    if (written.insert(ConfigPath(part.config)).second) {
      RETURN_IF_ERROR(WriteBlob(ConfigPath(part.config), part.config));
    }
    for (const Digest& layer : part.layers) {
      if (!written.insert(LayerPath(layer)).second) continue;
      RETURN_IF_ERROR(WriteBlob(LayerPath(layer), layer));
    }
  }
  return absl::OkStatus();
}

absl::Status Exporter::Write() {
  RETURN_IF_ERROR(format_ == ArchiveFormat::kOciLayout ? WriteLayout()
                                                       : WriteDockerArchive());
  return tar_.Finish();
}

}  // namespace

absl::Status Export(ImageStore* store, const std::vector<ExportedImage>& images,
                    ArchiveFormat format, const ByteSink& sink) {
  Exporter exporter(store, format, sink);
  for (const ExportedImage& image : images) {
    RETURN_IF_ERROR(exporter.Add(image)) << "image " << ShownName(image.image);
  }
  return exporter.Write();
}

}  // namespace gantry::image
