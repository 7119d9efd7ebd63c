// Blobs by their digest: DIR/blobs/sha256/HEX, 0600 in 0700 directories. A
// blob is written below DIR/ingest, and gets its name only after its size and
// digest were found right: nothing half-made is ever visible.
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
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/digest.h"
#include "runtime/image/holds.h"

namespace gantry::image {

class ContentStore;

// A blob on its way in. Thrown away unless committed. Must not outlive its
// store.
class BlobWriter {
 public:
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  // INVALID_ARGUMENT as soon as there are more bytes than expected.
  absl::Status Write(absl::string_view data);
  // DATA_LOSS if size or digest are not the expected ones.
  absl::Status Commit();

 private:
  friend class ContentStore;
  BlobWriter(ContentStore* store, Digest expected, int64_t size,
             std::string name, UniqueFd fd);

  ContentStore* store_;
  Digest expected_;
  int64_t expected_size_;
  std::string name_;
  UniqueFd fd_;
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
  absl::Status Put(const Digest& digest, absl::string_view data);

  // Keeps the blob, there already or not yet, from being removed.
  HoldTable::Hold Hold(const Digest& digest) {
    absl::MutexLock lock(&names_);
    return holds_->Take(digest);
  }
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
  absl::Status Publish(const std::string& temporary, const Digest& digest);

  UniqueFd ingest_;
  UniqueFd blobs_;  // holds sha256/ and sha512/
  std::shared_ptr<HoldTable> holds_ = std::make_shared<HoldTable>();
  // Remove looks at the holds and takes the name away in one step; nothing
  // longer than a rename happens under it.
  absl::Mutex names_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_CONTENT_STORE_H_
