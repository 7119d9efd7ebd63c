#include "runtime/image/importer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/image/archive_files.h"
#include "runtime/image/reference.h"
#include "runtime/json/json.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

constexpr int kMaxIndexDepth = 4;
constexpr size_t kMaxImages = 1000;

std::string BlobPath(const Digest& digest) {
  return absl::StrCat("blobs/", digest.algorithm_name(), "/", digest.hex());
}

// A file that the archive's own documents name must be there. NOT_FOUND would
// be taken for "no image of this platform".
template <typename T>
absl::StatusOr<T> MustExist(absl::StatusOr<T> result) {
  if (!absl::IsNotFound(result.status())) return result;
  return absl::DataLossError(result.status().message());
}

// One import: the archive's files on one side, the store on the other.
class Importer {
 public:
  Importer(const ArchiveFiles& files, ImageStore* store,
           const ImportOptions& options)
      : files_(files), store_(store), options_(options) {}

  absl::StatusOr<std::vector<ImportedImage>> Layout();
  absl::StatusOr<std::vector<ImportedImage>> DockerArchive();

 private:
  // A blob of the layout as a whole, verified and put into the store.
  absl::StatusOr<std::string> Document(const Descriptor& descriptor);
  absl::StatusOr<ImportedImage> FromDescriptor(const Descriptor& descriptor);
  absl::StatusOr<ImportedImage> FromManifest(const Descriptor& descriptor,
                                             const Manifest& manifest,
                                             std::vector<std::string> names);
  absl::StatusOr<ImportedImage> FromDocker(const json::Value& entry);
  absl::Status StoreOne(const std::string& file,
                        const std::optional<Descriptor>& blob,
                        const Digest& diff_id);
  absl::Status CheckPlatform(const ImageConfig& config) const;
  std::vector<std::string> NamesOf(const Descriptor& descriptor) const;
  void Hold(const Digest& blob) {
    blob_holds_.push_back(store_->content().Hold(blob));
  }

  const ArchiveFiles& files_;
  ImageStore* store_;
  const ImportOptions& options_;
  // Of the image under way: collection must not take them before its record.
  std::vector<HoldTable::Hold> blob_holds_;
  std::vector<Digest> documents_;
};

absl::StatusOr<std::string> Importer::Document(const Descriptor& descriptor) {
  ASSIGN_OR_RETURN(
      std::string data,
      MustExist(files_.Read(BlobPath(descriptor.digest), kMaxManifestBytes)));
  Hold(descriptor.digest);
  if (data.size() != static_cast<uint64_t>(descriptor.size)) {
    return absl::DataLossError(
        absl::StrCat("blob ", descriptor.digest.ToString(), ": ", data.size(),
                     " bytes, expected ", descriptor.size));
  }
  DigestHasher hasher(descriptor.digest.algorithm());
  hasher.Update(data);
  if (const Digest found = hasher.Finish(); found != descriptor.digest) {
    return absl::DataLossError(
        absl::StrCat("blob ", descriptor.digest.ToString(), ": the content is ",
                     found.ToString()));
  }
  RETURN_IF_ERROR(store_->content().Put(descriptor.digest, data));
  return data;
}

absl::Status Importer::CheckPlatform(const ImageConfig& config) const {
  if (PlatformFits(config.platform, options_.platform)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("the image is for ",
                                          ToString(config.platform), ", not ",
                                          ToString(options_.platform)));
}

std::vector<std::string> Importer::NamesOf(const Descriptor& descriptor) const {
  const auto& annotations = descriptor.annotations;
  std::vector<std::string> names;
  if (auto full = annotations.find("io.containerd.image.name");
      full != annotations.end()) {
    absl::StatusOr<Reference> ref = ParseReference(full->second);
    if (ref.ok() && !ref->tag.empty()) names.push_back(ref->Tagged());
  }
  auto short_name = annotations.find("org.opencontainers.image.ref.name");
  if (!names.empty() || short_name == annotations.end()) return names;
  // Often a whole reference, though the specification means the tag.
  std::string text = short_name->second;
  if (text.find_first_of("/:") == std::string::npos) {
    if (options_.base_name.empty()) return names;
    text = absl::StrCat(options_.base_name, ":", text);
  }
  absl::StatusOr<Reference> ref = ParseReference(text);
  if (ref.ok() && !ref->tag.empty()) names.push_back(ref->Tagged());
  return names;
}

absl::StatusOr<std::vector<ImportedImage>> Importer::Layout() {
  ASSIGN_OR_RETURN(std::string marker, files_.Read("oci-layout", 4096));
  ASSIGN_OR_RETURN(json::Value layout,
                   json::Value::Parse(marker, "oci-layout"));
  ASSIGN_OR_RETURN(std::string version,
                   layout.StringField("imageLayoutVersion"));
  if (!absl::StartsWith(version, "1.")) {
    return layout.Error(
        absl::StrCat("layout version \"", version, "\" is not supported"));
  }
  ASSIGN_OR_RETURN(std::string text,
                   files_.Read("index.json", kMaxManifestBytes));
  ASSIGN_OR_RETURN(auto document, ParseManifestOrIndex(text, kOciIndexType),
                   "index.json");
  const Index& index = std::get<Index>(document);
  if (index.manifests.size() > kMaxImages) {
    return absl::ResourceExhaustedError("index.json: too many images");
  }
  std::vector<ImportedImage> images;
  absl::Status last = absl::NotFoundError("index.json: no image in it");
  for (const Descriptor& descriptor : index.manifests) {
    if (descriptor.platform &&
        !PlatformFits(*descriptor.platform, options_.platform)) {
      last = absl::NotFoundError(absl::StrCat("index.json: no image for ",
                                              ToString(options_.platform)));
      continue;
    }
    absl::StatusOr<ImportedImage> image = FromDescriptor(descriptor);
    blob_holds_.clear();
    documents_.clear();
    if (image.ok()) {
      images.push_back(*std::move(image));
    } else if (absl::IsNotFound(image.status())) {
      last = image.status();  // of another platform; others may fit
    } else {
      return image.status();
    }
  }
  if (images.empty()) return last;
  return images;
}

absl::StatusOr<ImportedImage> Importer::FromDescriptor(
    const Descriptor& descriptor) {
  std::vector<std::string> names = NamesOf(descriptor);
  Descriptor at = descriptor;
  for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
    ASSIGN_OR_RETURN(std::string text, Document(at));
    documents_.push_back(at.digest);
    ASSIGN_OR_RETURN(auto document, ParseManifestOrIndex(text, at.media_type));
    if (const auto* manifest = std::get_if<Manifest>(&document)) {
      return FromManifest(at, *manifest, std::move(names));
    }
    ASSIGN_OR_RETURN(
        at, ChoosePlatform(std::get<Index>(document), options_.platform));
  }
  return absl::InvalidArgumentError("image index: nested too deep");
}

absl::Status Importer::StoreOne(const std::string& file,
                                const std::optional<Descriptor>& blob,
                                const Digest& diff_id) {
  const bool unpacked = store_->layers().Find(diff_id).has_value();
  const bool lost = blob && store_->LacksBlob(blob->digest);
  if (unpacked && !lost) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source,
                   MustExist(files_.Open(file)));
  if (unpacked) {
    ObservedSource observed(source.get(), [this](absl::string_view) {
      return options_.layer.cancelled && options_.layer.cancelled()
                 ? absl::CancelledError("blob: cancelled")
                 : absl::OkStatus();
    });
    return store_->content().PutFrom(&observed, blob->digest, blob->size);
  }
  return StoreLayer(source.get(), blob, diff_id, &store_->content(),
                    &store_->layers(), options_.layer)
      .status();
}

absl::StatusOr<ImportedImage> Importer::FromManifest(
    const Descriptor& descriptor, const Manifest& manifest,
    std::vector<std::string> names) {
  ASSIGN_OR_RETURN(std::string text, Document(manifest.config));
  ASSIGN_OR_RETURN(ImageConfig config, ParseImageConfig(text));
  RETURN_IF_ERROR(CheckPlatform(config));
  RETURN_IF_ERROR(CheckLayerCount(manifest, config));
  std::vector<HoldTable::Hold> layer_holds;
  for (size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& blob = manifest.layers[i];
    RETURN_IF_ERROR(CheckLayerType(blob));
    Hold(blob.digest);
    layer_holds.push_back(store_->layers().Hold(config.diff_ids[i]));
    RETURN_IF_ERROR(StoreOne(BlobPath(blob.digest), blob, config.diff_ids[i]))
        << "layer " << blob.digest.ToString();
  }
  record::ImageRecord image = MakeImageRecord(
      manifest.config.digest, config, manifest, documents_, store_->content());
  image.set_manifest_digest(descriptor.digest.ToString());
  image.set_size(image.size() + descriptor.size);
  for (const std::string& name : names) {
    image.add_repo_tags(name);
    ASSIGN_OR_RETURN(Reference ref, ParseReference(name));
    // The outermost document is what the name stands for.
    ref.digest = documents_.front();
    image.add_repo_digests(ref.Digested());
  }
  ASSIGN_OR_RETURN(HoldTable::Hold directories,
                   AddImpliedDirectories(&store_->layers(), &image));
  ASSIGN_OR_RETURN(image, store_->Put(std::move(image)));
  return ImportedImage{.id = image.id(), .names = std::move(names)};
}

absl::StatusOr<std::vector<ImportedImage>> Importer::DockerArchive() {
  ASSIGN_OR_RETURN(std::string text,
                   files_.Read("manifest.json", kMaxManifestBytes));
  ASSIGN_OR_RETURN(json::Value document,
                   json::Value::Parse(text, "manifest.json"));
  ASSIGN_OR_RETURN(std::vector<json::Value> entries, document.Array());
  if (entries.size() > kMaxImages) {
    return absl::ResourceExhaustedError("manifest.json: too many images");
  }
  std::vector<ImportedImage> images;
  absl::Status last = absl::NotFoundError("manifest.json: no image in it");
  for (const json::Value& entry : entries) {
    absl::StatusOr<ImportedImage> image = FromDocker(entry);
    blob_holds_.clear();
    if (image.ok()) {
      images.push_back(*std::move(image));
    } else if (absl::IsNotFound(image.status())) {
      last = image.status();
    } else {
      return image.status();
    }
  }
  if (images.empty()) return last;
  return images;
}

// The configuration's file is named after its digest; if so, it must be true.
absl::Status CheckConfigName(absl::string_view name, const Digest& found) {
  name = name.substr(name.rfind('/') + 1);
  absl::ConsumeSuffix(&name, ".json");
  absl::StatusOr<Digest> named = Digest::Parse(absl::StrCat("sha256:", name));
  if (!named.ok() || *named == found) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("image configuration ", named->ToString(),
                   ": the content is ", found.ToString()));
}

absl::StatusOr<ImportedImage> Importer::FromDocker(const json::Value& entry) {
  ASSIGN_OR_RETURN(std::string config_name, entry.StringField("Config"));
  ASSIGN_OR_RETURN(std::vector<std::string> files,
                   entry.StringListField("Layers"));
  ASSIGN_OR_RETURN(std::vector<std::string> tags,
                   entry.StringListField("RepoTags"));
  ASSIGN_OR_RETURN(std::string text,
                   MustExist(files_.Read(config_name, kMaxManifestBytes)));
  const Digest id = DigestOf(text);
  RETURN_IF_ERROR(CheckConfigName(config_name, id));
  ASSIGN_OR_RETURN(ImageConfig config, ParseImageConfig(text));
  RETURN_IF_ERROR(CheckPlatform(config));
  if (files.size() != config.diff_ids.size()) {
    return entry.Error(absl::StrCat(files.size(), " layers, but ",
                                    config.diff_ids.size(),
                                    " in the image configuration"));
  }
  Hold(id);
  RETURN_IF_ERROR(store_->content().Put(id, text));
  std::vector<HoldTable::Hold> layer_holds;
  for (size_t i = 0; i < files.size(); ++i) {
    layer_holds.push_back(store_->layers().Hold(config.diff_ids[i]));
    RETURN_IF_ERROR(StoreOne(files[i], std::nullopt, config.diff_ids[i]))
        << "layer " << i;
  }
  record::ImageRecord image =
      MakeImageRecord(id, config, std::nullopt, {}, store_->content());
  int64_t size = text.size();
  for (const Digest& diff_id : config.diff_ids) {
    size += store_->layers().Find(diff_id)->usage.bytes;
  }
  image.set_size(size);
  ImportedImage imported = {.id = id.ToString()};
  for (const std::string& tag : tags) {
    ASSIGN_OR_RETURN(Reference ref, ParseReference(tag), "RepoTags");
    if (ref.tag.empty()) continue;
    image.add_repo_tags(ref.Tagged());
    imported.names.push_back(ref.Tagged());
  }
  ASSIGN_OR_RETURN(HoldTable::Hold directories,
                   AddImpliedDirectories(&store_->layers(), &image));
  RETURN_IF_ERROR(store_->Put(std::move(image)));
  return imported;
}

}  // namespace

absl::StatusOr<std::vector<ImportedImage>> Import(
    UniqueFd fd, ImageStore* store, const ImportOptions& options) {
  ASSIGN_OR_RETURN(struct stat kind, sys::StatAt(fd.get(), "", AT_EMPTY_PATH));
  std::unique_ptr<ArchiveFiles> files;
  if (S_ISDIR(kind.st_mode)) {
    files = FilesOfDirectory(std::move(fd));
  } else {
    ASSIGN_OR_RETURN(
        files, FilesOfTar(std::move(fd), &store->content(),
                          options.max_archive_bytes, options.layer.cancelled));
  }
  return ImportFiles(*files, store, options);
}

absl::StatusOr<std::vector<ImportedImage>> ImportFiles(
    const ArchiveFiles& files, ImageStore* store,
    const ImportOptions& options) {
  Importer importer(files, store, options);
  if (files.Has("oci-layout")) return importer.Layout();
  if (files.Has("manifest.json")) return importer.DockerArchive();
  return absl::InvalidArgumentError(
      "neither an OCI image layout (oci-layout) nor a docker-archive "
      "(manifest.json)");
}

absl::StatusOr<std::vector<ImportedImage>> ImportPath(
    absl::string_view path, ImageStore* store, const ImportOptions& options) {
  // O_NONBLOCK: a FIFO must not make us wait, for nobody could end that.
  ASSIGN_OR_RETURN(UniqueFd fd,
                   sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
  ASSIGN_OR_RETURN(struct stat kind, sys::StatFd(fd.get()), path);
  if (!S_ISDIR(kind.st_mode) && !S_ISREG(kind.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("load ", path,
                     ": is neither a directory nor a regular file; what is "
                     "not can be sent in chunks"));
  }
  absl::StatusOr<std::vector<ImportedImage>> images =
      Import(std::move(fd), store, options);
  if (!images.ok()) {
    return Annotate(images.status(), absl::StrCat("load ", path));
  }
  return images;
}

}  // namespace gantry::image
