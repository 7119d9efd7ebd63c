// All that is known of images: one record per image id, over the content store
// and the layer store.
//
//   DIR/images/HEX/record   ImageRecord; HEX is the configuration's digest
//   DIR/blobs/sha256/HEX    blobs (content_store.h)
//   DIR/layers/N/{fs,record}  unpacked layers (layer_store.h)
//   DIR/ingest/             what is being written
//
// The order of durability: blobs and layers are written and renamed; one
// syncfs; the layers' records; the image's record. So a record on disk vouches
// for all it names, and whatever no record names is garbage at the next Open.
// A tag that moves is in its new image's record before it goes out of the old
// one's: whenever a move is cut short, the tag names one of the two.
//
// What is damaged all the same costs no more than itself. An image that lacks a
// layer is incomplete: List tells of it, so that it can be removed, but it is
// not found by name until a pull or load has brought the layer back. One that
// lacks a blob can be used, but not be saved to an archive.
// Thread safety: thread-safe. List, Resolve and Get answer from memory; the
// rest blocks on the disk, not under the lock that those take.

#ifndef GANTRY_RUNTIME_IMAGE_IMAGE_STORE_H_
#define GANTRY_RUNTIME_IMAGE_IMAGE_STORE_H_

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
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/image_record.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/content_store.h"
#include "runtime/image/digest.h"
#include "runtime/image/layer_store.h"
#include "runtime/rootfs/usage.h"
#include "runtime/state/record_store.h"

namespace gantry::image {

class ImageStore {
 public:
  // Opens or makes the store in `dirfd` (0700). What is damaged, as far as
  // records, sizes and small documents show it, is removed and told in
  // `problems` (may be null); a damaged record costs its image. Collects
  // garbage, except layers that `in_use` names.
  static absl::StatusOr<std::unique_ptr<ImageStore>> Open(
      int dirfd, const LayerInUse& in_use,
      std::vector<absl::Status>* problems = nullptr);

  ContentStore& content() { return *content_; }
  LayerStore& layers() { return *layers_; }

  // All, incomplete ones included.
  std::vector<record::ImageRecord> List() const;

  // OK, or what the image lacks of its layers. Unknown: NOT_FOUND.
  absl::Status Completeness(absl::string_view id) const;

  // By id ("sha256:..." or its hex), by "name:tag", "name@digest" or a short
  // name ("busybox" is docker.io/library/busybox:latest), or by a prefix of at
  // least 7 hex digits of the id that fits one image. A name wins over a
  // prefix. NOT_FOUND, also for an incomplete image; INVALID_ARGUMENT if a
  // prefix fits several.
  absl::StatusOr<record::ImageRecord> Resolve(absl::string_view ref) const;
  // The same, incomplete images included.
  absl::StatusOr<record::ImageRecord> ResolveAny(absl::string_view ref) const;

  // The lower directories of an image, bottom first, relative to the layer
  // store, with a hold on each: keep the holds until in_use knows them.
  struct Lowers {
    std::vector<std::string> dirs;
    std::vector<Digest> diff_ids;
    std::vector<HoldTable::Hold> holds;
  };
  absl::StatusOr<Lowers> LowersOf(const record::ImageRecord& image);

  // Writes to the disk what has come in so far, so that Put has less to wait
  // for. It promises nothing: a failure is seen by Put.
  void SyncAhead() const;

  // Makes everything durable and the image visible, and complete. If the id is
  // known, tags and digests are added to it. Tags are taken away from other
  // images. All layers and blobs must be there.
  absl::StatusOr<record::ImageRecord> Put(record::ImageRecord image);

  // Gives image `id` one more tag ("name:tag").
  absl::Status AddTag(absl::string_view id, absl::string_view tag);
  // Takes the tag away from the image that has it, which stays, if need be
  // without a name. Whether there was one.
  absl::StatusOr<bool> RemoveTag(absl::string_view tag);
  absl::Status SetPinned(absl::string_view id, bool pinned);

  // Whether an image names the blob as kept, and it is gone: a pull or load
  // brings it back, though the layer made of it is there.
  bool LacksBlob(const Digest& blob) const;
  // Puts `draft` in the place of a layer that was found damaged, or is missing;
  // the damaged one is retired (layer_store.h). False if that is held, and so
  // stays.
  absl::StatusOr<bool> ReplaceLayer(std::unique_ptr<LayerDraft> draft,
                                    const Digest& diff_id,
                                    const LayerInUse& in_use);

  // Removes the image that `ref` resolves to, with all its names, and what no
  // other image uses. Unknown is OK.
  absl::Status Remove(absl::string_view ref, const LayerInUse& in_use);

  // Removes layers and blobs that no image uses, nobody holds, and in_use does
  // not name. in_use answers for the moment it is asked, not for an earlier
  // one.
  absl::Status CollectGarbage(const LayerInUse& in_use);

  // Whether every one of `diff_ids` is a layer of an image, so that nothing is
  // to be collected once a container on them has gone.
  bool HaveLayers(
      const google::protobuf::RepeatedPtrField<std::string>& diff_ids) const;

  // Bytes and inodes of all below DIR but layers that are being unpacked: of
  // layers from memory, else by walks over few files.
  absl::StatusOr<rootfs::Usage> Usage() const;

 private:
  ImageStore() = default;
  struct Entry {
    record::ImageRecord record;
    // What it lacks of its layers.
    absl::Status complete;
  };
  absl::Status Load(std::vector<absl::Status>* problems);
  absl::StatusOr<const Entry*> Lookup(absl::string_view ref) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void NoteCompleteness();
  absl::Status SettleTags();
  // On the disk alone.
  absl::Status Write(record::ImageRecord* image)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_);
  // In memory too; the tags are taken away from other images.
  absl::Status Keep(record::ImageRecord* image)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(changes_);

  UniqueFd dir_;
  std::unique_ptr<ContentStore> content_;
  std::unique_ptr<LayerStore> layers_;
  std::unique_ptr<state::RecordStore> records_;
  // One change at a time; held over I/O, never by readers.
  absl::Mutex changes_;
  // Of the record written last.
  int64_t revision_ ABSL_GUARDED_BY(changes_) = 0;
  mutable absl::Mutex mutex_;
  std::map<std::string, Entry> images_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_IMAGE_STORE_H_
