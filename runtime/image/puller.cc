#include "runtime/image/puller.h"

#include <atomic>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::image {
namespace {

constexpr int kMaxIndexDepth = 4;

}  // namespace

// By digest from the store if it has it, else from the registry; put into the
// store and held.
absl::StatusOr<FetchedManifest> Puller::Document(
    const Reference& ref, const std::optional<Digest>& wanted, Pull* pull) {
  ContentStore& content = store_->content();
  std::optional<Digest> digest = wanted;
  // What the tag meant last time it may still mean. Asking for that moves no
  // body, and registries that count pulls do not count it.
  if (!digest && store_->Resolve(ref.Tagged()).ok()) {
    absl::StatusOr<Digest> now =
        registry_->HeadManifest(ref, options_.cancelled);
    if (now.ok()) {
      digest = *std::move(now);
    } else if (absl::IsUnavailable(now.status()) ||
               absl::IsDeadlineExceeded(now.status()) ||
               absl::IsCancelled(now.status())) {
      return now.status();
    }
  }
  if (digest && content.Has(*digest)) {
    pull->holds_.push_back(content.Hold(*digest));
    absl::StatusOr<std::string> body = content.Read(*digest, kMaxManifestBytes);
    if (body.ok()) {
      return FetchedManifest{.body = *std::move(body), .digest = *digest};
    }
  }
  ASSIGN_OR_RETURN(FetchedManifest fetched,
                   registry_->FetchManifest(ref, digest, options_.cancelled));
  pull->holds_.push_back(content.Hold(fetched.digest));
  RETURN_IF_ERROR(content.Put(fetched.digest, fetched.body));
  return fetched;
}

absl::Status Puller::ResolveManifest(const Reference& ref, Pull* pull) {
  std::optional<Digest> digest = ref.digest;
  std::string expected_type;
  for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
    ASSIGN_OR_RETURN(FetchedManifest fetched, Document(ref, digest, pull));
    pull->documents_.push_back(fetched.digest);
    const std::string& type =
        expected_type.empty() ? fetched.media_type : expected_type;
    ASSIGN_OR_RETURN(auto document, ParseManifestOrIndex(fetched.body, type));
    if (auto* manifest = std::get_if<Manifest>(&document)) {
      pull->manifest_digest_ = fetched.digest;
      pull->manifest_size_ = fetched.body.size();
      pull->manifest_ = std::move(*manifest);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(
        Descriptor chosen,
        ChoosePlatform(std::get<Index>(document), options_.platform));
    digest = chosen.digest;
    expected_type = chosen.media_type;
  }
  return absl::InvalidArgumentError("image index: nested too deep");
}

absl::Status Puller::ResolveConfig(const Reference& ref, Pull* pull) {
  const Descriptor& config = pull->manifest_.config;
  ContentStore& content = store_->content();
  if (config.size > static_cast<int64_t>(kMaxManifestBytes)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "image configuration: ", config.size, " bytes are more than the ",
        kMaxManifestBytes, " allowed"));
  }
  pull->holds_.push_back(content.Hold(config.digest));
  absl::StatusOr<std::string> body =
      content.Read(config.digest, kMaxManifestBytes);
  if (!body.ok()) {
    ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source,
                     registry_->OpenBlob(ref, config, options_.cancelled));
    ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer,
                     content.Ingest(config.digest, config.size));
    body = ReadAll(source.get(), kMaxManifestBytes);
    RETURN_IF_ERROR(body);
    RETURN_IF_ERROR(writer->Write(*body));
    RETURN_IF_ERROR(writer->Commit());
  }
  ASSIGN_OR_RETURN(pull->config_, ParseImageConfig(*body));
  if (!PlatformFits(pull->config_.platform, options_.platform)) {
    return absl::NotFoundError(
        absl::StrCat("the image is for ", ToString(pull->config_.platform),
                     ", not ", ToString(options_.platform)));
  }
  return CheckLayerCount(pull->manifest_, pull->config_);
}

absl::StatusOr<std::unique_ptr<Pull>> Puller::Resolve(const Reference& ref) {
  auto pull = std::unique_ptr<Pull>(new Pull);
  pull->registry_ = registry_;
  pull->store_ = store_;
  pull->options_ = options_;
  pull->ref_ = ref;
  RETURN_IF_ERROR(ResolveManifest(ref, pull.get())) << ref.ToString();
  RETURN_IF_ERROR(ResolveConfig(ref, pull.get())) << ref.ToString();
  for (size_t i = 0; i < pull->manifest_.layers.size(); ++i) {
    const Descriptor& blob = pull->manifest_.layers[i];
    RETURN_IF_ERROR(CheckLayerType(blob)) << ref.ToString();
    const Digest& diff_id = pull->config_.diff_ids[i];
    pull->holds_.push_back(store_->content().Hold(blob.digest));
    // Held first: what is present now stays until the image is written.
    pull->holds_.push_back(store_->layers().Hold(diff_id));
    pull->layers_.push_back(
        {.blob = blob,
         .diff_id = diff_id,
         .present = store_->layers().Find(diff_id).has_value()});
  }
  return pull;
}

absl::Status Pull::FetchLayer(size_t i, const LayerProgress& progress) {
  const PullLayer& layer = layers_.at(i);
  if (store_->layers().Find(layer.diff_id)) return absl::OkStatus();
  // A layer that cannot be unpacked does not wait for the rest of its bytes.
  std::atomic<bool> abandoned = false;
  const auto given_up = [this, &abandoned] {
    return abandoned || (options_.cancelled && options_.cancelled());
  };
  const StoreLayerOptions options = {.limits = options_.limits,
                                     .keep_blob = options_.keep_layer_blobs,
                                     .progress = progress,
                                     .cancelled = given_up,
                                     .run_aside = options_.run_aside,
                                     .abandon = [&] { abandoned = true; }};
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source,
                   registry_->OpenBlob(*ref_, layer.blob, given_up));
  RETURN_IF_ERROR(StoreLayer(source.get(), layer.blob, layer.diff_id,
                             &store_->content(), &store_->layers(), options))
      << ref_->ToString() << ": layer " << layer.blob.digest.ToString();
  return absl::OkStatus();
}

absl::StatusOr<record::ImageRecord> Pull::Commit() {
  record::ImageRecord image =
      MakeImageRecord(manifest_.config.digest, config_, manifest_, documents_,
                      store_->content());
  image.set_manifest_digest(manifest_digest_.ToString());
  image.set_size(image.size() + manifest_size_);
  if (!ref_->digest && !ref_->tag.empty()) {
    image.add_repo_tags(ref_->Tagged());
  }
  // What was asked for comes first: the index if there is one.
  for (const Digest& document : documents_) {
    Reference named = *ref_;
    named.digest = document;
    image.add_repo_digests(named.Digested());
  }
  ASSIGN_OR_RETURN(HoldTable::Hold directories,
                   AddImpliedDirectories(&store_->layers(), &image));
  return store_->Put(std::move(image));
}

}  // namespace gantry::image
