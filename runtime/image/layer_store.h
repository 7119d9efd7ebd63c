// Unpacked layers, each once, by diffID: DIR/N/fs, where N is short (base 36)
// so that the lowerdir list of a mount stays short, with DIR/N/record beside.
//
// The life of a layer: Begin makes DIR/.new-N; the unpacker fills it; Publish
// renames it to DIR/N once its diffID was found right, and it can be used and
// shared in this process; Commit, after one syncfs for all layers of an image,
// gives their records, written before it, their name. At Open a directory
// without a sound record is removed: after a power cut a layer is either whole
// or not there. So is one that goes: its directory is renamed, and that is on
// the disk before the first file in it goes.
//
// A damaged layer is retired: its record goes, so that it is not found any more
// and the next pull unpacks it anew under another N; its directory stays for
// as long as a container has it below it, over restarts too.
// Thread safety: thread-safe; a draft belongs to one thread. Blocks on the
// disk, never under the lock.

#ifndef GANTRY_RUNTIME_IMAGE_LAYER_STORE_H_
#define GANTRY_RUNTIME_IMAGE_LAYER_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/digest.h"
#include "runtime/image/holds.h"
#include "runtime/rootfs/usage.h"
#include "runtime/state/record_store.h"

namespace gantry::image {

// Whether "N/fs" is a lower directory of a container.
using LayerInUse = std::function<bool(const std::string& lower_dir)>;

struct LayerInfo {
  Digest diff_id;
  std::string name;  // N; "N/fs" below the store's directory is the lowerdir
  rootfs::Usage usage;
  bool committed = false;

  std::string LowerDir() const { return name + "/fs"; }
};

class LayerStore;

// A directory being filled; removed with its content unless published. Must
// not outlive its store.
class LayerDraft {
 public:
  ~LayerDraft();
  LayerDraft(const LayerDraft&) = delete;
  LayerDraft& operator=(const LayerDraft&) = delete;
  // The directory to unpack into.
  int fs_fd() const { return fs_.get(); }

 private:
  friend class LayerStore;
  LayerDraft(LayerStore* store, std::string name, UniqueFd fs);
  LayerStore* store_;
  std::string name_;  // N
  UniqueFd fs_;
  bool published_ = false;
};

class LayerStore {
 public:
  // `problems` (may be null) receives what was found damaged and removed, or
  // retired if `in_use` (may be null) names it.
  static absl::StatusOr<std::unique_ptr<LayerStore>> Open(
      int dirfd, const LayerInUse& in_use, std::vector<absl::Status>* problems);

  std::optional<LayerInfo> Find(const Digest& diff_id) const;
  std::vector<LayerInfo> List() const;

  absl::StatusOr<std::unique_ptr<LayerDraft>> Begin();
  // If another thread was faster with the same diffID, its layer is the answer
  // and this draft is thrown away.
  absl::StatusOr<LayerInfo> Publish(std::unique_ptr<LayerDraft> draft,
                                    const Digest& diff_id);
  // Makes published layers last. The caller has synced since they were.
  absl::Status Commit(const std::vector<Digest>& diff_ids);

  HoldTable::Hold Hold(const Digest& diff_id) {
    absl::MutexLock lock(&mutex_);
    return holds_->Take(diff_id);
  }
  bool IsHeld(const Digest& digest) const { return holds_->Held(digest); }
  // False if it is held, or `in_use` (may be null) names its directory, and so
  // stays. Unknown: true. in_use is asked after the holds: who takes a layer
  // over from a hold is seen by one of the two. It must not call this store.
  absl::StatusOr<bool> Remove(const Digest& diff_id,
                              const LayerInUse& in_use = nullptr);
  // The same of several, with one wait for the disk; those that stay are passed
  // over.
  absl::Status Remove(const std::vector<Digest>& diff_ids,
                      const LayerInUse& in_use);

  // Gives a damaged layer up: removed, or retired if `in_use` names it. False
  // if it is held, and so stays. Unknown: true.
  absl::StatusOr<bool> Retire(const Digest& diff_id, const LayerInUse& in_use);
  // Removes retired directories that `in_use` does not name.
  absl::Status RemoveRetired(const LayerInUse& in_use);
  bool HasRetired() const;

  // Of all layers, retired ones included, with what the store keeps beside.
  absl::StatusOr<rootfs::Usage> Usage() const;

  // The directory that LowerDir() counts from.
  int dir_fd() const { return dir_.get(); }

 private:
  friend class LayerDraft;
  LayerStore() = default;
  absl::Status Recover(const LayerInUse& in_use,
                       std::vector<absl::Status>* problems);
  absl::Status NameRecord(const std::string& name);
  // The name of a layer that nobody finds from here on; none if it stays.
  std::optional<std::string> Forget(const Digest& diff_id,
                                    const LayerInUse& in_use);
  absl::Status RemoveDirectories(const std::vector<std::string>& names);

  UniqueFd dir_;
  std::unique_ptr<state::RecordStore> records_;
  std::shared_ptr<HoldTable> holds_ = std::make_shared<HoldTable>();
  mutable absl::Mutex mutex_;
  std::map<Digest, LayerInfo> layers_ ABSL_GUARDED_BY(mutex_);
  // N, and what the directory takes.
  std::map<std::string, rootfs::Usage> retired_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_LAYER_STORE_H_
