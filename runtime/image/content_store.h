// Blobs by their digest: DIR/blobs/sha256/HEX, 0600 in 0700 directories. A
// blob is written below DIR/ingest, and gets its name only after its size and
// digest were found right: nothing half-made is ever visible.
//
// A large blob that did not come whole may be kept for the next attempt, below
// DIR/partial, over restarts as well: at most kMaxPartialBytes together, oldest
// first to go, none for longer than kMaxPartialAge. What is kept is read
// through and hashed with the rest before it becomes a blob.
//
// Durability: none by itself. ImageStore syncs the file system before it writes
// the record that refers to blobs, and drops blobs without a record at start.
// Thread safety: thread-safe; a BlobWriter belongs to one thread. Blocks on
// the disk. One process at a time may have a directory open (the server's lock
// sees to that).

#ifndef GANTRY_RUNTIME_IMAGE_CONTENT_STORE_H_
#define GANTRY_RUNTIME_IMAGE_CONTENT_STORE_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/holds.h"

namespace gantry::image {

class ContentStore;

// From this size on it is worth the trouble to keep a part of a blob.
inline constexpr int64_t kMinPartialBytes = int64_t{1} << 20;
inline constexpr int64_t kMaxPartialBytes = int64_t{4} << 30;
inline constexpr absl::Duration kMaxPartialAge = absl::Hours(7 * 24);

// A blob on its way in. Thrown away unless committed (or kept as a part). Must
// not outlive its store.
class BlobWriter {
 public:
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  // INVALID_ARGUMENT as soon as there are more bytes than expected.
  absl::Status Write(absl::string_view data);
  // DATA_LOSS if size or digest are not the expected ones.
  absl::Status Commit();

  // How many of the first bytes an earlier attempt has left, and these bytes.
  // They have to be written like all others, but are not stored twice.
  int64_t kept() const { return kept_; }
  absl::StatusOr<std::unique_ptr<ByteSource>> OpenKept() const;
  // What is there stays for a later Resume, if it is worth it.
  void KeepPart() { keep_part_ = true; }

 private:
  friend class ContentStore;
  BlobWriter(ContentStore* store, Digest expected, int64_t size,
             std::string name, UniqueFd fd);

  ContentStore* store_;
  Digest expected_;
  int64_t expected_size_;
  std::string name_;
  UniqueFd fd_;
  bool is_partial_ = false;  // the name is below partial/
  bool keep_part_ = false;
  int64_t kept_ = 0;
  DigestHasher hasher_;
  int64_t written_ = 0;
};

class ContentStore {
 public:
  // Opens or makes the store in `dirfd` and removes what an earlier process
  // left in ingest.
  static absl::StatusOr<std::unique_ptr<ContentStore>> Open(int dirfd);

  bool Has(const Digest& digest) const;
  absl::StatusOr<int64_t> SizeOf(const Digest& digest) const;
  // What it takes on the disk.
  absl::StatusOr<int64_t> DiskBytes(const Digest& digest) const;
  // Open for reading; not verified again.
  absl::StatusOr<UniqueFd> OpenBlob(const Digest& digest) const;
  // The whole of a small blob, verified: DATA_LOSS if it has changed.
  absl::StatusOr<std::string> Read(const Digest& digest,
                                   size_t max_bytes) const;
  // Reads the blob through and compares its digest.
  absl::Status Verify(const Digest& digest) const;

  // `size` -1: unknown.
  absl::StatusOr<std::unique_ptr<BlobWriter>> Ingest(const Digest& digest,
                                                     int64_t size);
  // The same, going on from what an earlier attempt has left. Without that, or
  // if another writer has it, from the beginning.
  absl::StatusOr<std::unique_ptr<BlobWriter>> Resume(const Digest& digest,
                                                     int64_t size);
  absl::Status Put(const Digest& digest, absl::string_view data);
  // All of `source`.
  absl::Status PutFrom(ByteSource* source, const Digest& digest, int64_t size);

  // Keeps the blob, there already or not yet, from being removed.
  HoldTable::Hold Hold(const Digest& digest) {
    absl::MutexLock lock(&names_);
    return holds_->Take(digest);
  }
  bool IsHeld(const Digest& digest) const { return holds_->Held(digest); }
  // False if it is held and so stays. Unknown: true.
  absl::StatusOr<bool> Remove(const Digest& digest);
  absl::StatusOr<std::vector<Digest>> List() const;

  // A new private directory that goes away with the next Open at the latest;
  // for archives that must be spooled. The caller removes it by RemoveScratch.
  absl::StatusOr<std::string> MakeScratch(UniqueFd* fd);
  absl::Status RemoveScratch(const std::string& name);

 private:
  friend class BlobWriter;
  ContentStore() = default;
  absl::Status Publish(int dirfd, const std::string& temporary,
                       const Digest& digest);
  void EndPart(const BlobWriter& writer);
  absl::Status TrimParts();

  UniqueFd ingest_;
  UniqueFd partial_;
  UniqueFd blobs_;  // holds sha256/ and sha512/
  std::shared_ptr<HoldTable> holds_ = std::make_shared<HoldTable>();
  // Remove looks at the holds and takes the name away in one step; nothing
  // longer than a rename happens under it.
  absl::Mutex names_;
  // Parts that a writer has.
  std::set<std::string> parts_in_use_ ABSL_GUARDED_BY(names_);
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_CONTENT_STORE_H_
