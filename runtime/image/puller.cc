#include "runtime/image/puller.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/registry_blob.h"

namespace gantry::image {

// One attempt to fetch a blob.
struct Attempt {
  size_t first_host = 0;  // to ask
  BlobOrigin origin;
  // What an earlier pull has left was used.
  bool resumed = false;
};

namespace {

constexpr int kMaxIndexDepth = 4;
// Of all layers that are fetched at once.
constexpr size_t kChunksAhead = 32;
constexpr size_t kLeastChunksAhead = 4;

// What an earlier attempt has left of a blob, then the rest.
class ResumedSource : public ByteSource {
 public:
  using Opener = std::function<absl::StatusOr<std::unique_ptr<ByteSource>>()>;

  ResumedSource(std::unique_ptr<ByteSource> kept, Opener open_rest)
      : kept_(std::move(kept)), open_rest_(std::move(open_rest)) {}

  absl::StatusOr<absl::string_view> Next() override {
    if (rest_ == nullptr) {
      ASSIGN_OR_RETURN(absl::string_view chunk, kept_->Next());
      if (!chunk.empty()) return chunk;
      ASSIGN_OR_RETURN(rest_, open_rest_());
    }
    return rest_->Next();
  }

 private:
  const std::unique_ptr<ByteSource> kept_;
  const Opener open_rest_;
  std::unique_ptr<ByteSource> rest_;
};

// Whether the transfer, and nothing worse, has failed.
bool MayGoOnLater(const absl::Status& status,
                  const std::function<bool()>& cancelled) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         (cancelled && cancelled());
}

// Whether what a host has sent is to blame, as far as that can be told. An
// errno is the node's own trouble.
bool IsWrongContent(const absl::Status& status) {
  return ErrnoOf(status) == 0 &&
         (absl::IsDataLoss(status) || absl::IsInvalidArgument(status) ||
          absl::IsResourceExhausted(status) || absl::IsUnimplemented(status));
}

// A host that sends something else than the blob is followed by the next one.
absl::Status FromEachHost(const std::function<bool()>& cancelled,
                          absl::FunctionRef<absl::Status(Attempt*)> fetch) {
  size_t first_host = 0;
  bool has_resumed = false;
  std::string before;
  while (true) {
    Attempt attempt = {.first_host = first_host};
    absl::Status status = fetch(&attempt);
    if (status.ok()) return status;
    const std::optional<size_t> next = attempt.origin.NextHost();
    const bool ends = MayGoOnLater(status, cancelled);
    if (!ends && attempt.resumed && !has_resumed) {
      // The part that was there may have been damaged: once without.
      has_resumed = true;
    } else if (!ends && next && IsWrongContent(status)) {
      first_host = *next;
      absl::StrAppend(&before, before.empty() ? "" : "; ", status.message());
    } else if (before.empty()) {
      return status;
    } else {
      // The last one's word counts.
      return absl::Status(
          status.code(),
          absl::StrCat(status.message(), " (before it: ", before, ")"));
    }
  }
}

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
    const auto fetch = [&](Attempt* attempt) -> absl::Status {
      ASSIGN_OR_RETURN(
          std::unique_ptr<BlobStream> source,
          registry_->OpenBlob(ref, config, options_.cancelled,
                              {.first_host = attempt->first_host}));
      body = ReadAll(source.get(), kMaxManifestBytes);
      attempt->origin = source->origin();
      RETURN_IF_ERROR(body);
      ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer,
                       content.Ingest(config.digest, config.size));
      RETURN_IF_ERROR(writer->Write(*body));
      return writer->Commit();
    };
    RETURN_IF_ERROR(FromEachHost(options_.cancelled, fetch));
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
         .present = store_->layers().Find(diff_id).has_value() &&
                    !store_->LacksBlob(blob.digest)});
  }
  return pull;
}

// The layer is there unpacked; its blob may have been found damaged.
absl::Status Pull::FetchLostBlob(const PullLayer& layer) {
  if (!store_->LacksBlob(layer.blob.digest)) return absl::OkStatus();
  return FromEachHost(
      options_.cancelled, [&](Attempt* attempt) -> absl::Status {
        ASSIGN_OR_RETURN(
            std::unique_ptr<BlobStream> source,
            registry_->OpenBlob(*ref_, layer.blob, options_.cancelled,
                                {.first_host = attempt->first_host,
                                 .run_aside = options_.receive_aside}));
        absl::Status put = store_->content().PutFrom(
            source.get(), layer.blob.digest, layer.blob.size);
        attempt->origin = source->origin();
        return put;
      });
}

// From the blob that is in the store, without the network. False if there is
// none, or a damaged one.
absl::StatusOr<bool> Pull::UnpackKept(const PullLayer& layer,
                                      StoreLayerOptions options) {
  absl::StatusOr<UniqueFd> blob = store_->content().OpenBlob(layer.blob.digest);
  if (absl::IsNotFound(blob.status())) return false;
  RETURN_IF_ERROR(blob);
  FdSource source(*std::move(blob));
  options.keep_blob = false;
  absl::Status stored =
      StoreLayer(&source, layer.blob, layer.diff_id, &store_->content(),
                 &store_->layers(), options)
          .status();
  if (stored.ok()) return true;
  // Whatever a damaged blob looks like to those who read it.
  if (!absl::IsCancelled(stored) &&
      absl::IsDataLoss(store_->content().Verify(layer.blob.digest))) {
    return false;
  }
  return stored;
}

size_t Pull::ChunksAhead() const {
  const size_t sharers = std::min(options_.layers_at_once, layers_.size());
  return std::max(kLeastChunksAhead,
                  kChunksAhead / std::max<size_t>(sharers, 1));
}

absl::Status Pull::FetchLayer(size_t i, const LayerProgress& progress) {
  const PullLayer& layer = layers_.at(i);
  if (store_->layers().Find(layer.diff_id)) return FetchLostBlob(layer);
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
                                     .chunks_ahead = ChunksAhead(),
                                     .abandon = [&] { abandoned = true; },
                                     .written = options_.written};
  ASSIGN_OR_RETURN(bool unpacked, UnpackKept(layer, options));
  if (unpacked) return absl::OkStatus();
  const auto fetch = [&](Attempt* attempt) {
    abandoned = false;
    return FetchBlob(layer, options, attempt);
  };
  RETURN_IF_ERROR(FromEachHost(options_.cancelled, fetch))
      << ref_->ToString() << ": layer " << layer.blob.digest.ToString();
  return absl::OkStatus();
}

// A part of it that is in the store is not fetched again, and what is fetched
// is kept for later if the transfer, and nothing worse, has failed.
absl::Status Pull::FetchBlob(const PullLayer& layer, StoreLayerOptions options,
                             Attempt* attempt) {
  ContentStore& content = store_->content();
  std::unique_ptr<BlobWriter> writer;
  if (options.keep_blob) {
    ASSIGN_OR_RETURN(writer,
                     content.Resume(layer.blob.digest, layer.blob.size));
    options.writer = writer.get();
  }
  const int64_t kept = writer == nullptr ? 0 : writer->kept();
  attempt->resumed = kept > 0;
  BlobStream* fetched = nullptr;
  const auto fetch = [&]() -> absl::StatusOr<std::unique_ptr<ByteSource>> {
    ASSIGN_OR_RETURN(
        std::unique_ptr<BlobStream> stream,
        registry_->OpenBlob(*ref_, layer.blob, options.cancelled,
                            {.offset = kept,
                             .first_host = attempt->first_host,
                             .run_aside = options_.receive_aside}));
    fetched = stream.get();
    return stream;
  };
  std::unique_ptr<ByteSource> source;
  if (kept > 0) {
    ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> part, writer->OpenKept());
    source = std::make_unique<ResumedSource>(std::move(part), fetch);
  } else {
    ASSIGN_OR_RETURN(source, fetch());
  }
  absl::Status stored = StoreLayer(source.get(), layer.blob, layer.diff_id,
                                   &content, &store_->layers(), options)
                            .status();
  if (fetched != nullptr) attempt->origin = fetched->origin();
  if (writer != nullptr && MayGoOnLater(stored, options_.cancelled)) {
    writer->KeepPart();
  }
  return stored;
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
