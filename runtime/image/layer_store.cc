#include "runtime/image/layer_store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/image_record.pb.h"
#include "runtime/base/status.h"
#include "runtime/state/record_format.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

constexpr char kFs[] = "fs";
constexpr char kRecord[] = "record";
// A record before Commit gives it its name.
constexpr char kNewRecord[] = "record.new";
constexpr int64_t kBlockBytes = 512;  // unit of st_blocks, stat(2)
constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

std::string Base36(uint64_t number) {
  std::string out;
  do {
    out.insert(out.begin(), kDigits[number % 36]);
    number /= 36;
  } while (number > 0);
  return out;
}

// 0 for a name that Base36 does not make.
uint64_t FromBase36(absl::string_view name) {
  if (name.size() > 12) return 0;
  uint64_t number = 0;
  for (char c : name) {
    const absl::string_view digits = kDigits;
    const size_t digit = digits.find(c);
    if (digit == absl::string_view::npos) return 0;
    number = number * 36 + digit;
  }
  return number;
}

// Hidden, so that RecordStore takes it for no object.
std::string Temporary(absl::string_view name) {
  return absl::StrCat(".new-", name);
}
std::string Removed(absl::string_view name) {
  return absl::StrCat(".old-", name);
}

std::string RecordOf(absl::string_view name) {
  return absl::StrCat(name, "/", kRecord);
}

std::string NewRecordOf(absl::string_view name) {
  return absl::StrCat(name, "/", kNewRecord);
}

std::string Encode(const LayerInfo& layer) {
  record::LayerRecord record;
  record.set_diff_id(layer.diff_id.ToString());
  record.set_bytes(layer.usage.bytes);
  record.set_inodes(layer.usage.inodes);
  return state::EncodeRecord(record.SerializeAsString());
}

absl::StatusOr<LayerInfo> Decode(const std::string& name,
                                 const std::string& payload) {
  record::LayerRecord record;
  if (!record.ParseFromString(payload)) {
    return absl::DataLossError("the record cannot be parsed");
  }
  ASSIGN_OR_RETURN(Digest diff_id, Digest::Parse(record.diff_id()));
  return LayerInfo{
      .diff_id = std::move(diff_id),
      .name = name,
      .usage = {.bytes = record.bytes(), .inodes = record.inodes()},
      .committed = true};
}

// Some may have been renamed by an attempt that failed after that.
absl::Status RemoveNamed(int dir, const std::vector<std::string>& names) {
  // The record goes away with the name: never a record without its layer,
  for (const std::string& name : names) {
    const absl::Status renamed = sys::RenameAt(dir, name, dir, Removed(name));
    if (!renamed.ok() && !absl::IsNotFound(renamed)) return renamed;
  }
  // nor after a power cut: what is removed below may come to the disk sooner
  // than the names, and a container's record that comes back would keep what is
  // left for a whole layer.
  RETURN_IF_ERROR(sys::FsyncFd(dir, "the layers' directory"));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(sys::RemoveTreeAt(dir, Removed(name)));
  }
  return absl::OkStatus();
}

}  // namespace

LayerDraft::LayerDraft(LayerStore* store, std::string name, UniqueFd fs)
    : store_(store), name_(std::move(name)), fs_(std::move(fs)) {}

LayerDraft::~LayerDraft() {
  if (!published_) {
    sys::RemoveTreeAt(store_->dir_.get(), Temporary(name_)).IgnoreError();
  }
}

absl::StatusOr<std::unique_ptr<LayerStore>> LayerStore::Open(
    int dirfd, const LayerInUse& in_use, std::vector<absl::Status>* problems) {
  auto store = std::unique_ptr<LayerStore>(new LayerStore);
  ASSIGN_OR_RETURN(store->dir_, sys::Duplicate(dirfd));
  ASSIGN_OR_RETURN(UniqueFd directory, sys::Duplicate(dirfd));
  store->records_ = state::RecordStore::Open(std::move(directory),
                                             sys::Durability::kPowerCut);
  RETURN_IF_ERROR(store->Recover(in_use, problems));
  return store;
}

absl::Status LayerStore::Recover(const LayerInUse& in_use,
                                 std::vector<absl::Status>* problems) {
  RETURN_IF_ERROR(records_->CleanUp());
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(dir_.get(), "."));
  // As RemoveDirectories does, which may have been killed before it.
  RETURN_IF_ERROR(sys::FsyncFd(dir_.get(), "the layers' directory"));
  for (const sys::DirEntry& entry : entries) {
    if (absl::StartsWith(entry.name, ".")) {
      RETURN_IF_ERROR(sys::RemoveTreeAt(dir_.get(), entry.name));
    }
  }
  ASSIGN_OR_RETURN(std::vector<state::RecordStore::Listed> listed,
                   records_->List());
  std::vector<std::string> gone;
  absl::ReleasableMutexLock lock(&mutex_);
  for (const state::RecordStore::Listed& item : listed) {
    last_number_ = std::max(last_number_, FromBase36(item.id));
    absl::StatusOr<LayerInfo> layer =
        item.payload.ok() ? Decode(item.id, *item.payload)
                          : absl::StatusOr<LayerInfo>(item.payload.status());
    if (layer.ok() &&
        !sys::ExistsAt(dir_.get(), absl::StrCat(item.id, "/", kFs))) {
      layer = absl::DataLossError("its directory is gone");
    }
    if (layer.ok() && layers_.emplace(layer->diff_id, *layer).second) continue;
    // Without a record it was never finished: nobody's loss.
    if (!layer.ok() && !absl::IsNotFound(layer.status()) &&
        problems != nullptr) {
      problems->push_back(
          Annotate(layer.status(), absl::StrCat("layer ", item.id)));
    }
    const std::string fs = absl::StrCat(item.id, "/", kFs);
    absl::StatusOr<UniqueFd> kept = absl::NotFoundError("");
    if (in_use && in_use(fs)) {
      kept = sys::OpenAt(dir_.get(), fs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }
    if (!kept.ok()) {
      gone.push_back(item.id);
      continue;
    }
    ASSIGN_OR_RETURN(retired_[item.id], rootfs::UsageOf(kept->get()));
    RETURN_IF_ERROR(sys::UnlinkAt(dir_.get(), RecordOf(item.id)));
  }
  lock.Release();
  return RemoveDirectories(gone);
}

std::optional<LayerInfo> LayerStore::Find(const Digest& diff_id) const {
  absl::MutexLock lock(&mutex_);
  auto it = layers_.find(diff_id);
  if (it == layers_.end()) return std::nullopt;
  return it->second;
}

std::vector<LayerInfo> LayerStore::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<LayerInfo> out;
  for (const auto& [diff_id, layer] : layers_) out.push_back(layer);
  return out;
}

absl::StatusOr<std::unique_ptr<LayerDraft>> LayerStore::Begin() {
  std::string name;
  {
    absl::MutexLock lock(&mutex_);
    name = Base36(++last_number_);
  }
  const std::string temporary = Temporary(name);
  RETURN_IF_ERROR(sys::MkdirAt(dir_.get(), temporary, 0700));
  auto draft = std::unique_ptr<LayerDraft>(
      new LayerDraft(this, std::move(name), UniqueFd()));
  const std::string fs = absl::StrCat(temporary, "/", kFs);
  RETURN_IF_ERROR(sys::MkdirAt(dir_.get(), fs, 0755));
  ASSIGN_OR_RETURN(draft->fs_,
                   sys::OpenAt(dir_.get(), fs, O_RDONLY | O_DIRECTORY));
  return draft;
}

absl::StatusOr<LayerInfo> LayerStore::Publish(std::unique_ptr<LayerDraft> draft,
                                              const Digest& diff_id) {
  ASSIGN_OR_RETURN(rootfs::Usage usage, rootfs::UsageOf(draft->fs_fd()));
  LayerInfo layer = {.diff_id = diff_id, .name = draft->name_, .usage = usage};
  if (std::optional<LayerInfo> other = Find(diff_id)) return *other;
  {
    ASSIGN_OR_RETURN(UniqueFd directory,
                     sys::OpenAt(dir_.get(), Temporary(draft->name_),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    RETURN_IF_ERROR(sys::AtomicWriteAt(directory.get(), kNewRecord,
                                       Encode(layer), 0600,
                                       sys::Durability::kCrash))
        << "layer " << draft->name_;
  }
  RETURN_IF_ERROR(sys::RenameAt(dir_.get(), Temporary(draft->name_), dir_.get(),
                                draft->name_));
  draft->published_ = true;
  {
    absl::MutexLock lock(&mutex_);
    auto [it, first] = layers_.emplace(diff_id, layer);
    if (first) return layer;
    layer = it->second;
  }
  // Another thread published the same layer in between.
  RETURN_IF_ERROR(sys::RemoveTreeAt(dir_.get(), draft->name_));
  return layer;
}

// Two images with one new layer may be committed at the same time.
absl::Status LayerStore::NameRecord(const std::string& name) {
  absl::Status named =
      sys::RenameAt(dir_.get(), NewRecordOf(name), dir_.get(), RecordOf(name));
  if (absl::IsNotFound(named) && sys::ExistsAt(dir_.get(), RecordOf(name))) {
    return absl::OkStatus();
  }
  return named;
}

absl::Status LayerStore::Commit(const std::vector<Digest>& diff_ids) {
  std::vector<Digest> named;
  for (const Digest& diff_id : diff_ids) {
    std::optional<LayerInfo> layer = Find(diff_id);
    if (!layer) {
      return absl::NotFoundError(
          absl::StrCat("layer ", diff_id.ToString(), " is not in the store"));
    }
    if (layer->committed) continue;
    RETURN_IF_ERROR(NameRecord(layer->name)) << "layer " << layer->name;
    named.push_back(diff_id);
  }
  // Their content was on the disk before: this is for all their names.
  if (!named.empty() && syncfs(dir_.get()) != 0) {
    return ErrnoStatus(errno, "sync the layers' records");
  }
  absl::MutexLock lock(&mutex_);
  for (const Digest& diff_id : named) {
    auto it = layers_.find(diff_id);
    if (it != layers_.end()) it->second.committed = true;
  }
  return absl::OkStatus();
}

absl::Status LayerStore::RemoveDirectories(
    const std::vector<std::string>& names) {
  if (names.empty()) return absl::OkStatus();
  const absl::Status removed = RemoveNamed(dir_.get(), names);
  if (removed.ok()) return removed;
  // Nobody finds them any more: the next removal goes on with them.
  absl::MutexLock lock(&mutex_);
  for (const std::string& name : names) retired_.try_emplace(name);
  return removed;
}

std::optional<std::string> LayerStore::Forget(const Digest& diff_id,
                                              const LayerInUse& in_use) {
  absl::MutexLock lock(&mutex_);
  auto it = layers_.find(diff_id);
  if (it == layers_.end() || holds_->Held(diff_id)) return std::nullopt;
  if (in_use && in_use(it->second.LowerDir())) return std::nullopt;
  std::string name = it->second.name;
  // From here on a pull does not find it and fetches it anew.
  layers_.erase(it);
  return name;
}

absl::StatusOr<bool> LayerStore::Remove(const Digest& diff_id,
                                        const LayerInUse& in_use) {
  const std::optional<std::string> name = Forget(diff_id, in_use);
  if (!name) return !Find(diff_id) && !holds_->Held(diff_id);
  RETURN_IF_ERROR(RemoveDirectories({*name}));
  return true;
}

absl::Status LayerStore::Remove(const std::vector<Digest>& diff_ids,
                                const LayerInUse& in_use) {
  std::vector<std::string> names;
  for (const Digest& diff_id : diff_ids) {
    std::optional<std::string> name = Forget(diff_id, in_use);
    if (name) names.push_back(*std::move(name));
  }
  return RemoveDirectories(names);
}

absl::StatusOr<bool> LayerStore::Retire(const Digest& diff_id,
                                        const LayerInUse& in_use) {
  std::string name;
  bool stays = false;
  {
    absl::MutexLock lock(&mutex_);
    auto it = layers_.find(diff_id);
    if (it == layers_.end()) return true;
    if (holds_->Held(diff_id)) return false;
    name = it->second.name;
    stays = in_use && in_use(it->second.LowerDir());
    if (stays) retired_[name] = it->second.usage;
    layers_.erase(it);
  }
  // A directory without a record is what a retired layer is at Open.
  RETURN_IF_ERROR(stays ? sys::UnlinkAt(dir_.get(), RecordOf(name))
                        : RemoveDirectories({name}));
  return true;
}

absl::Status LayerStore::RemoveRetired(const LayerInUse& in_use) {
  std::vector<std::string> unused;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, usage] : retired_) {
      if (in_use && in_use(absl::StrCat(name, "/", kFs))) continue;
      unused.push_back(name);
    }
    for (const std::string& name : unused) retired_.erase(name);
  }
  return RemoveDirectories(unused);
}

bool LayerStore::HasRetired() const {
  absl::MutexLock lock(&mutex_);
  return !retired_.empty();
}

absl::StatusOr<rootfs::Usage> LayerStore::Usage() const {
  rootfs::Usage usage;
  std::vector<std::string> beside = {"."};
  {
    absl::MutexLock lock(&mutex_);
    const auto add = [&](const std::string& name, const rootfs::Usage& of) {
      usage.bytes += of.bytes;
      usage.inodes += of.inodes;
      beside.push_back(name);
      beside.push_back(RecordOf(name));
    };
    for (const auto& [diff_id, layer] : layers_) add(layer.name, layer.usage);
    for (const auto& [name, of] : retired_) add(name, of);
  }
  for (const std::string& path : beside) {
    absl::StatusOr<struct stat> node =
        sys::StatAt(dir_.get(), path, AT_SYMLINK_NOFOLLOW);
    // Removed meanwhile, or has no record (yet).
    if (absl::IsNotFound(node.status())) continue;
    RETURN_IF_ERROR(node);
    usage.bytes += node->st_blocks * kBlockBytes;
    ++usage.inodes;
  }
  return usage;
}

}  // namespace gantry::image
