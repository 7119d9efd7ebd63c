// Objects on disk: one directory per object with one checksummed record.
//
//   <directory>/<id>/record     the payload: written anew and renamed over the
//                               old one, or, with kCrash, added to it
//                               (record_format.h)
//   <directory>/<id>/...        whatever else belongs to the object
//
// An id is 1 to 128 of [A-Za-z0-9_.-] and does not begin with '.'; others are
// INVALID_ARGUMENT. Payloads are at most kMaxPayloadBytes.
// Thread safety: calls for different ids run in parallel; calls that change
// one id are the caller's to serialise. Blocking: disk I/O; with kPowerCut
// every change waits for the disk.

#ifndef GANTRY_RUNTIME_STATE_RECORD_STORE_H_
#define GANTRY_RUNTIME_STATE_RECORD_STORE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/atomic_write.h"

namespace gantry::state {

class RecordStore {
 public:
  static constexpr size_t kMaxPayloadBytes = 16 << 20;

  struct Listed {
    std::string id;
    // DATA_LOSS: damaged (the message says how). NOT_FOUND: a directory without
    // a record, left by a Create that was killed or a Remove that did not end.
    absl::StatusOr<std::string> payload;
  };

  // Keeps `directory` (an existing one, not O_PATH).
  static std::unique_ptr<RecordStore> Open(UniqueFd directory,
                                           sys::Durability durability);
  // Makes the directory (0700) and what is missing above it, and opens it.
  static absl::StatusOr<std::unique_ptr<RecordStore>> OpenPath(
      absl::string_view path, sys::Durability durability);

  // Makes the object's directory (0700) and record (0600). A directory without
  // a record is taken over; with one: ALREADY_EXISTS. On failure nothing that
  // was not there before stays.
  absl::Status Create(absl::string_view id, absl::string_view payload);
  // Replaces the record of an object that exists (NOT_FOUND: it does not).
  absl::Status Write(absl::string_view id, absl::string_view payload);
  // NOT_FOUND, DATA_LOSS for a damaged record, or FAILED_PRECONDITION for one
  // of a newer program.
  absl::StatusOr<std::string> Read(absl::string_view id) const;
  // Removes the directory and all in it, the record last, so that a Remove that
  // fails (FAILED_PRECONDITION: a mount inside) can be tried again. Unknown is
  // OK.
  absl::Status Remove(absl::string_view id);
  // All objects, sorted by id. Entries whose names are no ids and files are not
  // objects and are left out. Fails only if the directory cannot be read, or
  // with FAILED_PRECONDITION if a record is of a newer program: then nothing
  // that is here may be taken for complete.
  absl::StatusOr<std::vector<Listed>> List() const;
  // The object's directory (O_RDONLY).
  absl::StatusOr<UniqueFd> DirectoryOf(absl::string_view id) const;
  // Removes what killed writers left; at start-up, before any write.
  absl::Status CleanUp();

 private:
  RecordStore(UniqueFd directory, sys::Durability durability);
  absl::Status SyncDirectory() const;
  // The part of Create behind the directory.
  absl::Status FirstWrite(absl::string_view id, absl::string_view payload);

  // Adds to the record if it is as it was left here; false: it is not, or has
  // enough.
  absl::StatusOr<bool> Append(int object, absl::string_view id,
                              absl::string_view payload);
  void NoteSize(absl::string_view id, size_t bytes);
  void ForgetSize(absl::string_view id);

  UniqueFd directory_;
  sys::Durability durability_;
  absl::Mutex mutex_;
  // Of records that this store has written to their end.
  absl::flat_hash_map<std::string, size_t> sizes_ ABSL_GUARDED_BY(mutex_);
};

// Whether `id` has the form above.
bool IsRecordId(absl::string_view id);

}  // namespace gantry::state

#endif  // GANTRY_RUNTIME_STATE_RECORD_STORE_H_
