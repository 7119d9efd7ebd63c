#include "runtime/state/record_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/state/record_format.h"
#include "runtime/sys/file.h"

namespace gantry::state {
namespace {

constexpr absl::string_view kRecord = "record";
constexpr size_t kMaxIdBytes = 128;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kRecordMode = 0600;
// A record of this size is written anew instead of added to.
constexpr size_t kMostUpdates = 32 << 10;

absl::Status CheckId(absl::string_view id) {
  if (IsRecordId(id)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(id.substr(0, kMaxIdBytes)), "\" is no record id"));
}

absl::Status CheckSize(absl::string_view payload) {
  if (payload.size() <= RecordStore::kMaxPayloadBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a payload of ", payload.size(), " bytes, at most ",
                   RecordStore::kMaxPayloadBytes));
}

// Symlinks among the objects would lead out of the store.
absl::StatusOr<UniqueFd> OpenObject(int store, absl::string_view id) {
  return sys::OpenAt(store, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

absl::StatusOr<std::string> ReadRecord(int object) {
  ASSIGN_OR_RETURN(
      UniqueFd fd,
      sys::OpenAt(object, kRecord, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  absl::StatusOr<std::string> file =
      sys::ReadFd(fd.get(), RecordStore::kMaxPayloadBytes + kRecordHeaderBytes);
  if (absl::IsResourceExhausted(file.status()) && ErrnoOf(file.status()) == 0) {
    return absl::DataLossError("damaged record: larger than any record");
  }
  RETURN_IF_ERROR(file);
  return DecodeRecord(*file);
}

}  // namespace

bool IsRecordId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && id[0] != '.' &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '_' || c == '.' || c == '-';
         });
}

namespace {

absl::StatusOr<bool> HasRecord(int object) {
  absl::Status found =
      sys::StatAt(object, kRecord, AT_SYMLINK_NOFOLLOW).status();
  if (found.ok() || absl::IsNotFound(found)) return found.ok();
  return found;
}

}  // namespace

RecordStore::RecordStore(UniqueFd directory, sys::Durability durability)
    : directory_(std::move(directory)), durability_(durability) {}

std::unique_ptr<RecordStore> RecordStore::Open(UniqueFd directory,
                                               sys::Durability durability) {
  return std::unique_ptr<RecordStore>(
      new RecordStore(std::move(directory), durability));
}

absl::StatusOr<std::unique_ptr<RecordStore>> RecordStore::OpenPath(
    absl::string_view path, sys::Durability durability) {
  RETURN_IF_ERROR(sys::MkdirAllAt(AT_FDCWD, path, kDirectoryMode))
      << "open record store";
  ASSIGN_OR_RETURN(UniqueFd directory,
                   sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY),
                   "open record store");
  return Open(std::move(directory), durability);
}

absl::Status RecordStore::SyncDirectory() const {
  if (durability_ == sys::Durability::kCrash) return absl::OkStatus();
  return sys::FsyncFd(directory_.get(), "the record store");
}

absl::Status RecordStore::FirstWrite(absl::string_view id,
                                     absl::string_view payload) {
  ASSIGN_OR_RETURN(UniqueFd object, OpenObject(directory_.get(), id));
  ASSIGN_OR_RETURN(const bool has_record, HasRecord(object.get()));
  if (has_record) return absl::AlreadyExistsError("there is one");
  // The directory's name before the record: a record that was reported as kept
  // must not lose the way to it.
  RETURN_IF_ERROR(SyncDirectory());
  const absl::Status status = sys::AtomicWriteAt(
      object.get(), kRecord, EncodeRecord(payload), kRecordMode, durability_);
  // It may have failed behind the rename.
  if (!status.ok()) sys::UnlinkAt(object.get(), kRecord).IgnoreError();
  if (status.ok()) NoteSize(id, kRecordHeaderBytes + payload.size());
  return status;
}

absl::Status RecordStore::Create(absl::string_view id,
                                 absl::string_view payload) {
  const std::string what = absl::StrCat("create record ", id);
  RETURN_IF_ERROR(CheckId(id)) << "create record";
  RETURN_IF_ERROR(CheckSize(payload)) << what;
  const absl::Status made = sys::MkdirAt(directory_.get(), id, kDirectoryMode);
  if (!made.ok() && ErrnoOf(made) != EEXIST) return Annotate(made, what);
  absl::Status status = FirstWrite(id, payload);
  // Only an empty directory goes, so what somebody else put there is safe.
  if (!status.ok() && made.ok()) {
    sys::RmdirAt(directory_.get(), id).IgnoreError();
  }
  return Annotate(status, what);
}

void RecordStore::NoteSize(absl::string_view id, size_t bytes) {
  absl::MutexLock lock(&mutex_);
  sizes_[id] = bytes;
}

void RecordStore::ForgetSize(absl::string_view id) {
  absl::MutexLock lock(&mutex_);
  sizes_.erase(id);
}

absl::StatusOr<bool> RecordStore::Append(int object, absl::string_view id,
                                         absl::string_view payload) {
  size_t size = 0;
  {
    absl::MutexLock lock(&mutex_);
    auto node = sizes_.extract(id);  // until it is written to its end again
    if (node.empty()) return false;
    size = node.mapped();
  }
  const std::string update = EncodeUpdate(payload);
  if (size + update.size() > kMostUpdates) return false;
  absl::StatusOr<UniqueFd> file = sys::OpenAt(
      object, kRecord, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
  if (!file.ok()) return false;
  ASSIGN_OR_RETURN(struct stat info, sys::StatFd(file->get()));
  if (!S_ISREG(info.st_mode) || static_cast<size_t>(info.st_size) != size) {
    return false;
  }
  const absl::Status written = sys::WriteAll(file->get(), update);
  if (!written.ok()) {
    // The old payload counts again; what cannot be cut off is passed over.
    (void)!::ftruncate(file->get(), static_cast<off_t>(size));
    return written;
  }
  NoteSize(id, size + update.size());
  return true;
}

absl::Status RecordStore::Write(absl::string_view id,
                                absl::string_view payload) {
  const std::string what = absl::StrCat("write record ", id);
  RETURN_IF_ERROR(CheckId(id)) << "write record";
  RETURN_IF_ERROR(CheckSize(payload)) << what;
  ASSIGN_OR_RETURN(UniqueFd object, OpenObject(directory_.get(), id), what);
  ASSIGN_OR_RETURN(const bool has_record, HasRecord(object.get()), what);
  if (!has_record) {
    return absl::NotFoundError(absl::StrCat(what, ": there is none"));
  }
  // Several times as fast as writing it anew: a rename over a file makes ext4
  // write that out (auto_da_alloc, ext4(5)). Not where a power cut counts: of
  // what is added the size may be there and a page not, and then the record is
  // damaged, with what was in it before.
  if (durability_ == sys::Durability::kCrash) {
    ASSIGN_OR_RETURN(const bool appended, Append(object.get(), id, payload),
                     what);
    if (appended) return absl::OkStatus();
  }
  RETURN_IF_ERROR(sys::AtomicWriteAt(
      object.get(), kRecord, EncodeRecord(payload), kRecordMode, durability_))
      << what;
  NoteSize(id, kRecordHeaderBytes + payload.size());
  return absl::OkStatus();
}

absl::StatusOr<std::string> RecordStore::Read(absl::string_view id) const {
  RETURN_IF_ERROR(CheckId(id)) << "read record";
  ASSIGN_OR_RETURN(UniqueFd object, OpenObject(directory_.get(), id),
                   "read record " << id);
  ASSIGN_OR_RETURN(std::string payload, ReadRecord(object.get()),
                   "read record " << id);
  return payload;
}

absl::Status RecordStore::Remove(absl::string_view id) {
  RETURN_IF_ERROR(CheckId(id)) << "remove record";
  const std::string what = absl::StrCat("remove record ", id);
  absl::StatusOr<UniqueFd> object = OpenObject(directory_.get(), id);
  if (absl::IsNotFound(object.status())) {
    // Somebody else has removed it with what was in it.
    ForgetSize(id);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(object) << what;
  // 1. all but the record: whoever fails here can still read what to remove
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(object->get(), "."), what);
  for (const sys::DirEntry& entry : entries) {
    if (entry.name == kRecord) continue;
    RETURN_IF_ERROR(sys::RemoveTreeAt(object->get(), entry.name)) << what;
  }
  // 2. the record and the directory
  ForgetSize(id);
  RETURN_IF_ERROR(sys::RemoveTreeAt(directory_.get(), id)) << what;
  RETURN_IF_ERROR(SyncDirectory()) << what;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RecordStore::Listed>> RecordStore::List() const {
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(directory_.get(), "."), "list records");
  std::vector<Listed> listed;
  for (const sys::DirEntry& entry : entries) {
    const bool directory = entry.type == DT_DIR || entry.type == DT_UNKNOWN;
    if (!directory || !IsRecordId(entry.name)) continue;
    absl::StatusOr<std::string> payload = Read(entry.name);
    if (ErrnoOf(payload.status()) == ENOTDIR) continue;
    const bool newer = absl::IsFailedPrecondition(payload.status()) &&
                       ErrnoOf(payload.status()) == 0;
    if (newer) return payload.status();
    // Removed since the listing, not half-made: no object any more.
    if (absl::IsNotFound(payload.status()) &&
        !sys::ExistsAt(directory_.get(), entry.name)) {
      continue;
    }
    listed.push_back({entry.name, std::move(payload)});
  }
  std::sort(listed.begin(), listed.end(),
            [](const Listed& a, const Listed& b) { return a.id < b.id; });
  return listed;
}

absl::StatusOr<UniqueFd> RecordStore::DirectoryOf(absl::string_view id) const {
  RETURN_IF_ERROR(CheckId(id)) << "open directory of record";
  ASSIGN_OR_RETURN(UniqueFd object, OpenObject(directory_.get(), id),
                   "open directory of record");
  return object;
}

absl::Status RecordStore::CleanUp() {
  ASSIGN_OR_RETURN(const std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(directory_.get(), "."), "clean up records");
  for (const sys::DirEntry& entry : entries) {
    if (!IsRecordId(entry.name)) continue;
    absl::StatusOr<UniqueFd> object = OpenObject(directory_.get(), entry.name);
    if (!object.ok()) continue;
    RETURN_IF_ERROR(sys::CleanTemporaries(object->get()))
        << "clean up record " << entry.name;
  }
  return absl::OkStatus();
}

}  // namespace gantry::state
