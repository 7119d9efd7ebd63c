#include "runtime/image/image_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/image/image_check.h"
#include "runtime/image/reference.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using record::ImageRecord;

constexpr char kImages[] = "images";
constexpr char kLayers[] = "layers";
constexpr char kBlobs[] = "blobs";
constexpr char kIngest[] = "ingest";
constexpr char kPartial[] = "partial";
constexpr int64_t kBlockBytes = 512;  // unit of st_blocks, stat(2)
constexpr size_t kMinPrefix = 7;

absl::StatusOr<UniqueFd> OpenDirectory(int dirfd, const char* name) {
  absl::Status made = sys::MkdirAt(dirfd, name, 0700);
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  return sys::OpenAt(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// The record's name: the digest's hex; its length tells the algorithm.
absl::StatusOr<std::string> RecordId(absl::string_view image_id) {
  ASSIGN_OR_RETURN(Digest digest, Digest::Parse(image_id), "image id");
  return digest.hex();
}

absl::string_view HexOf(absl::string_view id) {
  return id.substr(id.find(':') + 1);
}

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

template <typename Field>
bool Contains(const Field& field, absl::string_view value) {
  return std::find(field.begin(), field.end(), value) != field.end();
}

template <typename Field>
void AddTo(Field* field, const std::string& value) {
  if (!Contains(*field, value)) *field->Add() = value;
}

absl::Status NoSuchImage(absl::string_view ref) {
  return absl::NotFoundError(absl::StrCat("image ", ref, " is not there"));
}

// Takes away from `image` the tags that `owner` has; whether there were any.
bool TakeTags(const ImageRecord& owner, ImageRecord* image) {
  auto* tags = image->mutable_repo_tags();
  const auto kept = std::remove_if(
      tags->begin(), tags->end(),
      [&](const std::string& tag) { return Contains(owner.repo_tags(), tag); });
  if (kept == tags->end()) return false;
  tags->erase(kept, tags->end());
  return true;
}

// What the second record of one image adds to the first.
ImageRecord Merged(const ImageRecord& old, ImageRecord fresh) {
  for (const std::string& tag : old.repo_tags()) {
    AddTo(fresh.mutable_repo_tags(), tag);
  }
  for (const std::string& digest : old.repo_digests()) {
    AddTo(fresh.mutable_repo_digests(), digest);
  }
  for (const std::string& blob : old.blobs()) {
    AddTo(fresh.mutable_blobs(), blob);
  }
  // What is known already is not put in again.
  fresh.mutable_blob_sizes()->insert(old.blob_sizes().begin(),
                                     old.blob_sizes().end());
  if (fresh.manifest_digest().empty()) {
    // Loaded once more from an archive that knows no manifest.
    fresh.set_manifest_digest(old.manifest_digest());
    fresh.set_size(old.size());
    *fresh.mutable_layers() = old.layers();
  }
  if (old.pinned()) fresh.set_pinned(true);
  return fresh;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ImageStore>> ImageStore::Open(
    int dirfd, const LayerInUse& in_use, std::vector<absl::Status>* problems) {
  auto store = std::unique_ptr<ImageStore>(new ImageStore);
  ASSIGN_OR_RETURN(store->dir_,
                   sys::OpenAt(dirfd, ".", O_RDONLY | O_DIRECTORY));
  ASSIGN_OR_RETURN(store->content_, ContentStore::Open(dirfd));
  ASSIGN_OR_RETURN(UniqueFd layers, OpenDirectory(dirfd, kLayers));
  ASSIGN_OR_RETURN(store->layers_,
                   LayerStore::Open(layers.get(), in_use, problems));
  ASSIGN_OR_RETURN(UniqueFd images, OpenDirectory(dirfd, kImages));
  store->records_ =
      state::RecordStore::Open(std::move(images), sys::Durability::kPowerCut);
  RETURN_IF_ERROR(store->Load(problems));
  // Where the disk is full, the next start finds it as it is.
  store->SettleTags().IgnoreError();
  RETURN_IF_ERROR(store->CollectGarbage(in_use));
  return store;
}

absl::Status ImageStore::Load(std::vector<absl::Status>* problems) {
  RETURN_IF_ERROR(records_->CleanUp());
  ASSIGN_OR_RETURN(std::vector<state::RecordStore::Listed> listed,
                   records_->List());
  std::vector<absl::Status> found;
  for (const state::RecordStore::Listed& item : listed) {
    ImageRecord image;
    absl::Status status = item.payload.status();
    if (status.ok() && !image.ParseFromString(*item.payload)) {
      status = absl::DataLossError("the record cannot be parsed");
    }
    if (status.ok() && HexOf(image.id()) != item.id) {
      status = absl::DataLossError("the record is that of another image");
    }
    if (status.ok()) status = CheckNames(image);
    if (status.ok()) {
      RETURN_IF_ERROR(RemoveDamagedBlobs(image, content_.get(), &found));
      absl::MutexLock lock(&mutex_);
      Entry& entry = images_[image.id()];
      entry.complete = CheckLayers(image, *layers_);
      if (!entry.complete.ok()) {
        found.push_back(
            Annotate(entry.complete, absl::StrCat("image ", item.id)));
      }
      entry.record = std::move(image);
      continue;
    }
    if (!absl::IsNotFound(item.payload.status())) {
      found.push_back(Annotate(status, absl::StrCat("image ", item.id)));
    }
    RETURN_IF_ERROR(records_->Remove(item.id));
  }
  if (problems != nullptr) {
    problems->insert(problems->end(), found.begin(), found.end());
  }
  return absl::OkStatus();
}

std::vector<ImageRecord> ImageStore::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<ImageRecord> out;
  for (const auto& [id, entry] : images_) out.push_back(entry.record);
  return out;
}

absl::Status ImageStore::Completeness(absl::string_view id) const {
  absl::MutexLock lock(&mutex_);
  auto it = images_.find(std::string(id));
  return it == images_.end() ? NoSuchImage(id) : it->second.complete;
}

absl::StatusOr<ImageRecord> ImageStore::Resolve(absl::string_view ref) const {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Entry* found, Lookup(ref));
  if (found->complete.ok()) return found->record;
  return absl::NotFoundError(absl::StrCat("image ", ref, " is incomplete, ",
                                          found->complete.message(),
                                          "; pull or load it again"));
}

absl::StatusOr<ImageRecord> ImageStore::ResolveAny(
    absl::string_view ref) const {
  absl::MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const Entry* found, Lookup(ref));
  return found->record;
}

absl::StatusOr<const ImageStore::Entry*> ImageStore::Lookup(
    absl::string_view ref) const {
  absl::string_view hex = ref;
  const bool by_id = absl::ConsumePrefix(&hex, "sha256:");
  if (auto it =
          images_.find(by_id ? std::string(ref) : absl::StrCat("sha256:", ref));
      it != images_.end()) {
    return &it->second;
  }
  if (auto it = images_.find(std::string(ref)); it != images_.end()) {
    return &it->second;
  }
  if (absl::StatusOr<Reference> name = ParseReference(ref);
      !by_id && name.ok()) {
    // With both, the digest decides: a tag may have moved since.
    const std::string tagged = name->digest ? "" : name->Tagged();
    const std::string digested = name->Digested();
    for (const auto& [id, entry] : images_) {
      const ImageRecord& image = entry.record;
      if ((!tagged.empty() && Contains(image.repo_tags(), tagged)) ||
          (!digested.empty() && Contains(image.repo_digests(), digested))) {
        return &entry;
      }
    }
  }
  const Entry* found = nullptr;
  if (hex.size() >= kMinPrefix && IsHex(hex)) {
    for (const auto& [id, entry] : images_) {
      if (!absl::StartsWith(HexOf(id), hex)) continue;
      if (found != nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat("image ", ref, " fits several images"));
      }
      found = &entry;
    }
  }
  if (found == nullptr) return NoSuchImage(ref);
  return found;
}

absl::StatusOr<ImageStore::Lowers> ImageStore::LowersOf(
    const ImageRecord& image) {
  Lowers lowers;
  for (const record::ImageLayer& layer : image.layers()) {
    ASSIGN_OR_RETURN(Digest diff_id, Digest::Parse(layer.diff_id()));
    // Held before it is looked up, so that it cannot go in between.
    lowers.holds.push_back(layers_->Hold(diff_id));
    std::optional<LayerInfo> info = layers_->Find(diff_id);
    if (!info) {
      return absl::NotFoundError(absl::StrCat("image ", image.id(), ": layer ",
                                              layer.diff_id(), " is gone"));
    }
    // A layer that is there twice adds nothing the second time, and overlay
    // refuses a directory given twice: the topmost place counts.
    auto twice =
        std::find(lowers.diff_ids.begin(), lowers.diff_ids.end(), diff_id);
    if (twice != lowers.diff_ids.end()) {
      lowers.dirs.erase(lowers.dirs.begin() +
                        (twice - lowers.diff_ids.begin()));
      lowers.diff_ids.erase(twice);
    }
    lowers.dirs.push_back(info->LowerDir());
    lowers.diff_ids.push_back(std::move(diff_id));
  }
  return lowers;
}

absl::Status ImageStore::Write(ImageRecord* image) {
  ASSIGN_OR_RETURN(std::string id, RecordId(image->id()));
  image->set_revision(++revision_);
  const std::string payload = image->SerializeAsString();
  absl::Status written = records_->Write(id, payload);
  if (absl::IsNotFound(written)) written = records_->Create(id, payload);
  return Annotate(written, absl::StrCat("image ", image->id()));
}

absl::Status ImageStore::Keep(ImageRecord* image) {
  // 1. The new owner of the tags: from here on they are its own, whatever
  // happens.
  RETURN_IF_ERROR(Write(image));
  std::vector<ImageRecord> robbed;
  {
    absl::MutexLock lock(&mutex_);
    images_[image->id()].record = *image;
    for (auto& [id, entry] : images_) {
      if (id == image->id()) continue;
      if (TakeTags(*image, &entry.record)) robbed.push_back(entry.record);
    }
  }
  // 2. Those that had them.
  for (ImageRecord& other : robbed) {
    RETURN_IF_ERROR(Write(&other));
  }
  return absl::OkStatus();
}

// What a move of a tag that was cut short has left.
absl::Status ImageStore::SettleTags() {
  absl::MutexLock change(&changes_);
  std::vector<ImageRecord> images = List();
  std::stable_sort(images.begin(), images.end(),
                   [](const ImageRecord& a, const ImageRecord& b) {
                     return a.revision() > b.revision();
                   });
  if (!images.empty()) revision_ = images.front().revision();
  absl::Status first;
  for (size_t owner = 0; owner < images.size(); ++owner) {
    for (size_t i = owner + 1; i < images.size(); ++i) {
      if (!TakeTags(images[owner], &images[i])) continue;
      first.Update(Write(&images[i]));
      absl::MutexLock lock(&mutex_);
      images_[images[i].id()].record = images[i];
    }
  }
  return first;
}

void ImageStore::SyncAhead() const {
  // By a descriptor of its own: an error of the disk is told once for each.
  absl::StatusOr<UniqueFd> own =
      sys::OpenAt(dir_.get(), ".", O_RDONLY | O_DIRECTORY);
  if (own.ok()) syncfs(own->get());
}

absl::StatusOr<ImageRecord> ImageStore::Put(ImageRecord image) {
  RETURN_IF_ERROR(CheckNames(image)) << "image " << image.id();
  RETURN_IF_ERROR(CheckLayers(image, *layers_)) << "image " << image.id();
  RETURN_IF_ERROR(NoteBlobSizes(*content_, &image)) << "image " << image.id();
  std::vector<Digest> diff_ids;
  for (const record::ImageLayer& layer : image.layers()) {
    ASSIGN_OR_RETURN(Digest diff_id, Digest::Parse(layer.diff_id()));
    diff_ids.push_back(std::move(diff_id));
  }
  // 1. everything the records will vouch for is on the disk,
  if (syncfs(dir_.get()) != 0) return ErrnoStatus(errno, "sync the images");
  // 2. the layers' records, 3. the image's.
  RETURN_IF_ERROR(layers_->Commit(diff_ids));
  absl::MutexLock change(&changes_);
  absl::StatusOr<ImageRecord> old = ResolveAny(image.id());
  if (old.ok()) image = Merged(*old, std::move(image));
  RETURN_IF_ERROR(Keep(&image));
  // Others may have wanted the same layers.
  NoteCompleteness();
  return image;
}

void ImageStore::NoteCompleteness() {
  absl::MutexLock lock(&mutex_);
  for (auto& [id, entry] : images_) {
    entry.complete = CheckLayers(entry.record, *layers_);
  }
}

absl::Status ImageStore::AddTag(absl::string_view id, absl::string_view tag) {
  ASSIGN_OR_RETURN(Reference name, ParseReference(tag));
  if (name.digest || name.tag.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tag ", tag, ": expected a name with a tag"));
  }
  absl::MutexLock change(&changes_);
  ASSIGN_OR_RETURN(ImageRecord image, Resolve(id));
  AddTo(image.mutable_repo_tags(), name.Tagged());
  return Keep(&image);
}

absl::StatusOr<bool> ImageStore::RemoveTag(absl::string_view tag) {
  ASSIGN_OR_RETURN(Reference name, ParseReference(tag));
  if (name.digest || name.tag.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tag ", tag, ": expected a name with a tag"));
  }
  absl::MutexLock change(&changes_);
  for (ImageRecord& image : List()) {
    auto* tags = image.mutable_repo_tags();
    auto found = std::find(tags->begin(), tags->end(), name.Tagged());
    if (found == tags->end()) continue;
    tags->erase(found);
    RETURN_IF_ERROR(Keep(&image));
    return true;
  }
  return false;
}

absl::Status ImageStore::SetPinned(absl::string_view id, bool pinned) {
  absl::MutexLock change(&changes_);
  ASSIGN_OR_RETURN(ImageRecord image, ResolveAny(id));
  if (image.pinned() == pinned) return absl::OkStatus();
  image.set_pinned(pinned);
  return Keep(&image);
}

absl::Status ImageStore::Remove(absl::string_view ref,
                                const LayerInUse& in_use) {
  {
    absl::MutexLock change(&changes_);
    absl::StatusOr<ImageRecord> image = ResolveAny(ref);
    // Repeated after an error: what that left goes now.
    if (!absl::IsNotFound(image.status())) {
      RETURN_IF_ERROR(image);
      ASSIGN_OR_RETURN(std::string id, RecordId(image->id()));
      RETURN_IF_ERROR(records_->Remove(id)) << "image " << image->id();
      absl::MutexLock lock(&mutex_);
      images_.erase(image->id());
    }
  }
  return CollectGarbage(in_use);
}

absl::Status ImageStore::CollectGarbage(const LayerInUse& in_use) {
  // No image is written meanwhile; what a pull under way has fetched is held.
  absl::MutexLock change(&changes_);
  std::set<std::string> used;
  for (const ImageRecord& image : List()) {
    used.insert(image.blobs().begin(), image.blobs().end());
    for (const record::ImageLayer& layer : image.layers()) {
      used.insert(absl::StrCat("layer:", layer.diff_id()));
    }
  }
  std::vector<Digest> unused;
  for (const LayerInfo& layer : layers_->List()) {
    if (used.count(absl::StrCat("layer:", layer.diff_id.ToString())) == 0) {
      unused.push_back(layer.diff_id);
    }
  }
  RETURN_IF_ERROR(layers_->Remove(unused, in_use));
  RETURN_IF_ERROR(layers_->RemoveRetired(in_use));
  ASSIGN_OR_RETURN(std::vector<Digest> blobs, content_->List());
  for (const Digest& blob : blobs) {
    if (used.count(blob.ToString()) != 0) continue;
    RETURN_IF_ERROR(content_->Remove(blob));
  }
  return absl::OkStatus();
}

bool ImageStore::HaveLayers(
    const google::protobuf::RepeatedPtrField<std::string>& diff_ids) const {
  std::set<std::string> wanted(diff_ids.begin(), diff_ids.end());
  absl::MutexLock lock(&mutex_);
  if (layers_->HasRetired()) return false;
  for (const auto& [id, entry] : images_) {
    for (const record::ImageLayer& layer : entry.record.layers()) {
      wanted.erase(layer.diff_id());
    }
  }
  return wanted.empty();
}

bool ImageStore::LacksBlob(const Digest& blob) const {
  if (content_->Has(blob)) return false;
  const std::string name = blob.ToString();
  absl::MutexLock lock(&mutex_);
  return std::any_of(images_.begin(), images_.end(), [&](const auto& item) {
    return Contains(item.second.record.blobs(), name);
  });
}

absl::StatusOr<bool> ImageStore::ReplaceLayer(std::unique_ptr<LayerDraft> draft,
                                              const Digest& diff_id,
                                              const LayerInUse& in_use) {
  ASSIGN_OR_RETURN(bool retired, layers_->Retire(diff_id, in_use));
  if (!retired) return false;
  RETURN_IF_ERROR(layers_->Publish(std::move(draft), diff_id));
  if (syncfs(dir_.get()) != 0) return ErrnoStatus(errno, "sync the images");
  RETURN_IF_ERROR(layers_->Commit({diff_id}));
  NoteCompleteness();
  return true;
}

absl::StatusOr<rootfs::Usage> ImageStore::Usage() const {
  ASSIGN_OR_RETURN(rootfs::Usage usage, layers_->Usage());
  ASSIGN_OR_RETURN(struct stat top, sys::StatAt(dir_.get(), ".", 0));
  usage.bytes += top.st_blocks * kBlockBytes;
  ++usage.inodes;
  for (const char* name : {kBlobs, kImages, kIngest, kPartial}) {
    ASSIGN_OR_RETURN(UniqueFd directory,
                     sys::OpenAt(dir_.get(), name, O_RDONLY | O_DIRECTORY));
    ASSIGN_OR_RETURN(rootfs::Usage more, rootfs::UsageOf(directory.get()));
    usage.bytes += more.bytes;
    usage.inodes += more.inodes;
  }
  return usage;
}

}  // namespace gantry::image
