#include "runtime/image/content_store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/image/byte_source.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

constexpr char kBlobs[] = "blobs";
constexpr char kIngest[] = "ingest";
constexpr char kPartial[] = "partial";
constexpr int64_t kBlockBytes = 512;  // unit of st_blocks, stat(2)
constexpr Digest::Algorithm kAlgorithms[] = {Digest::Algorithm::kSha256,
                                             Digest::Algorithm::kSha512};

absl::string_view NameOf(Digest::Algorithm algorithm) {
  return algorithm == Digest::Algorithm::kSha256 ? "sha256" : "sha512";
}

std::string PathOf(const Digest& digest) {
  return absl::StrCat(digest.algorithm_name(), "/", digest.hex());
}

absl::StatusOr<UniqueFd> OpenDirectory(int dirfd, const char* name) {
  absl::Status made = sys::MkdirAt(dirfd, name, 0700);
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  return sys::OpenAt(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::string PartOf(const Digest& digest) {
  return absl::StrCat(digest.algorithm_name(), "-", digest.hex());
}

// Reads the first bytes of a file.
class BeginningOf : public ByteSource {
 public:
  BeginningOf(UniqueFd fd, int64_t bytes)
      : file_(std::move(fd)), left_(bytes) {}
  absl::StatusOr<absl::string_view> Next() override {
    ASSIGN_OR_RETURN(absl::string_view chunk, file_.Next());
    chunk = chunk.substr(0, left_);
    left_ -= chunk.size();
    return chunk;
  }

 private:
  FdSource file_;
  int64_t left_;
};

absl::Status Changed(const Digest& digest) {
  return absl::DataLossError(
      absl::StrCat("blob ", digest.ToString(), ": its content has changed"));
}

}  // namespace

BlobWriter::BlobWriter(ContentStore* store, Digest expected, int64_t size,
                       std::string name, UniqueFd fd)
    : store_(store),
      expected_(std::move(expected)),
      expected_size_(size),
      name_(std::move(name)),
      fd_(std::move(fd)),
      hasher_(expected_.algorithm()) {}

BlobWriter::~BlobWriter() {
  if (!is_partial_ && fd_) {
    sys::UnlinkAt(store_->ingest_.get(), name_).IgnoreError();
  }
  if (is_partial_) store_->EndPart(*this);
}

absl::Status BlobWriter::Write(absl::string_view data) {
  const int64_t before = written_;
  written_ += data.size();
  if (expected_size_ >= 0 && written_ > expected_size_) {
    return absl::InvalidArgumentError(
        absl::StrCat("blob ", expected_.ToString(), ": more than the ",
                     expected_size_, " bytes it should have"));
  }
  hasher_.Update(data);
  if (before < kept_)
    data.remove_prefix(std::min<int64_t>(kept_ - before, data.size()));
  return sys::WriteAll(fd_.get(), data);
}

absl::StatusOr<std::unique_ptr<ByteSource>> BlobWriter::OpenKept() const {
  ASSIGN_OR_RETURN(UniqueFd fd, sys::OpenAt(store_->partial_.get(), name_,
                                            O_RDONLY | O_NOFOLLOW));
  return std::make_unique<BeginningOf>(std::move(fd), kept_);
}

absl::Status BlobWriter::Commit() {
  if (expected_size_ >= 0 && written_ != expected_size_) {
    return absl::DataLossError(absl::StrCat("blob ", expected_.ToString(), ": ",
                                            written_, " bytes, expected ",
                                            expected_size_));
  }
  const Digest found = hasher_.Finish();
  if (found != expected_) {
    return absl::DataLossError(absl::StrCat(
        "blob ", expected_.ToString(), ": the content is ", found.ToString()));
  }
  const UniqueFd& from = is_partial_ ? store_->partial_ : store_->ingest_;
  RETURN_IF_ERROR(store_->Publish(from.get(), name_, expected_));
  fd_.Reset();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ContentStore>> ContentStore::Open(int dirfd) {
  auto store = std::unique_ptr<ContentStore>(new ContentStore);
  ASSIGN_OR_RETURN(store->blobs_, OpenDirectory(dirfd, kBlobs));
  for (Digest::Algorithm algorithm : kAlgorithms) {
    absl::Status made =
        sys::MkdirAt(store->blobs_.get(), NameOf(algorithm), 0700);
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  }
  RETURN_IF_ERROR(sys::RemoveTreeAt(dirfd, kIngest));
  ASSIGN_OR_RETURN(store->ingest_, OpenDirectory(dirfd, kIngest));
  ASSIGN_OR_RETURN(store->partial_, OpenDirectory(dirfd, kPartial));
  RETURN_IF_ERROR(store->TrimParts());
  return store;
}

bool ContentStore::Has(const Digest& digest) const {
  return sys::ExistsAt(blobs_.get(), PathOf(digest));
}

absl::StatusOr<int64_t> ContentStore::SizeOf(const Digest& digest) const {
  ASSIGN_OR_RETURN(struct stat blob, sys::StatAt(blobs_.get(), PathOf(digest),
                                                 AT_SYMLINK_NOFOLLOW));
  return blob.st_size;
}

absl::StatusOr<int64_t> ContentStore::DiskBytes(const Digest& digest) const {
  ASSIGN_OR_RETURN(struct stat blob, sys::StatAt(blobs_.get(), PathOf(digest),
                                                 AT_SYMLINK_NOFOLLOW));
  return int64_t{blob.st_blocks} * kBlockBytes;
}

absl::StatusOr<UniqueFd> ContentStore::OpenBlob(const Digest& digest) const {
  return sys::OpenAt(blobs_.get(), PathOf(digest), O_RDONLY | O_NOFOLLOW);
}

absl::StatusOr<std::string> ContentStore::Read(const Digest& digest,
                                               size_t max_bytes) const {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBlob(digest));
  FdSource file(std::move(fd));
  HashingSource source(&file, digest.algorithm());
  ASSIGN_OR_RETURN(std::string data, ReadAll(&source, max_bytes),
                   "blob " << digest.ToString());
  if (source.Finish() != digest) return Changed(digest);
  return data;
}

absl::Status ContentStore::Verify(const Digest& digest) const {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenBlob(digest));
  FdSource file(std::move(fd));
  HashingSource source(&file, digest.algorithm());
  RETURN_IF_ERROR(Drain(&source));
  return source.Finish() == digest ? absl::OkStatus() : Changed(digest);
}

absl::StatusOr<std::unique_ptr<BlobWriter>> ContentStore::Ingest(
    const Digest& digest, int64_t size) {
  std::string name = NewId();
  ASSIGN_OR_RETURN(UniqueFd fd, sys::OpenAt(ingest_.get(), name,
                                            O_WRONLY | O_CREAT | O_EXCL, 0600));
  return std::unique_ptr<BlobWriter>(
      new BlobWriter(this, digest, size, std::move(name), std::move(fd)));
}

absl::StatusOr<std::unique_ptr<BlobWriter>> ContentStore::Resume(
    const Digest& digest, int64_t size) {
  std::string name = PartOf(digest);
  if (size < kMinPartialBytes) return Ingest(digest, size);
  {
    absl::MutexLock lock(&names_);
    if (!parts_in_use_.insert(name).second) return Ingest(digest, size);
  }
  // From here on its end gives the name free again.
  auto writer = std::unique_ptr<BlobWriter>(
      new BlobWriter(this, digest, size, std::move(name), UniqueFd()));
  writer->is_partial_ = true;
  ASSIGN_OR_RETURN(
      writer->fd_,
      sys::OpenAt(partial_.get(), writer->name_,
                  O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  ASSIGN_OR_RETURN(struct stat part, sys::StatFd(writer->fd_.get()));
  if (part.st_size < size) {
    writer->kept_ = part.st_size;
  } else if (ftruncate(writer->fd_.get(), 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cut ", writer->name_));
  }
  return writer;
}

void ContentStore::EndPart(const BlobWriter& writer) {
  // Committed, it has another name by now.
  const bool is_left = writer.fd_.valid();
  const int64_t bytes = std::max(writer.kept_, writer.written_);
  if (is_left && (!writer.keep_part_ || bytes < kMinPartialBytes)) {
    sys::UnlinkAt(partial_.get(), writer.name_).IgnoreError();
  }
  {
    absl::MutexLock lock(&names_);
    parts_in_use_.erase(writer.name_);
  }
  // What cannot be trimmed now is at the next start.
  if (is_left) TrimParts().IgnoreError();
}

absl::Status ContentStore::TrimParts() {
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(partial_.get(), "."));
  struct Part {
    absl::Time changed;
    int64_t bytes;
    std::string name;
  };
  std::vector<Part> parts;
  for (sys::DirEntry& entry : entries) {
    absl::StatusOr<struct stat> part =
        sys::StatAt(partial_.get(), entry.name, AT_SYMLINK_NOFOLLOW);
    if (absl::IsNotFound(part.status())) continue;
    RETURN_IF_ERROR(part);
    parts.push_back({absl::TimeFromTimespec(part->st_mtim), part->st_size,
                     std::move(entry.name)});
  }
  // The newest ones stay.
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.changed > b.changed; });
  const absl::Time oldest = absl::Now() - kMaxPartialAge;
  int64_t bytes = 0;
  absl::MutexLock lock(&names_);
  for (const Part& part : parts) {
    if (parts_in_use_.count(part.name) != 0) continue;
    bytes += part.bytes;
    if (part.changed >= oldest && part.bytes >= kMinPartialBytes &&
        bytes <= kMaxPartialBytes) {
      continue;
    }
    RETURN_IF_ERROR(sys::UnlinkAt(partial_.get(), part.name));
  }
  return absl::OkStatus();
}

absl::Status ContentStore::Put(const Digest& digest, absl::string_view data) {
  if (Has(digest)) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer,
                   Ingest(digest, data.size()));
  RETURN_IF_ERROR(writer->Write(data));
  return writer->Commit();
}

absl::Status ContentStore::PutFrom(ByteSource* source, const Digest& digest,
                                   int64_t size) {
  ASSIGN_OR_RETURN(std::unique_ptr<BlobWriter> writer, Ingest(digest, size));
  while (true) {
    ASSIGN_OR_RETURN(absl::string_view chunk, source->Next());
    if (chunk.empty()) return writer->Commit();
    RETURN_IF_ERROR(writer->Write(chunk));
  }
}

absl::Status ContentStore::Publish(int dirfd, const std::string& temporary,
                                   const Digest& digest) {
  return sys::RenameAt(dirfd, temporary, blobs_.get(), PathOf(digest));
}

absl::StatusOr<bool> ContentStore::Remove(const Digest& digest) {
  const std::string aside = NewId();
  {
    absl::MutexLock lock(&names_);
    if (holds_->Held(digest)) return false;
    absl::Status moved =
        sys::RenameAt(blobs_.get(), PathOf(digest), ingest_.get(), aside);
    if (absl::IsNotFound(moved)) return true;
    RETURN_IF_ERROR(moved);
  }
  const absl::Status removed = sys::UnlinkAt(ingest_.get(), aside);
  if (!removed.ok()) {
    // Where whoever tries again finds it.
    Publish(ingest_.get(), aside, digest).IgnoreError();
  }
  RETURN_IF_ERROR(removed);
  return true;
}

absl::StatusOr<std::vector<Digest>> ContentStore::List() const {
  std::vector<Digest> digests;
  for (Digest::Algorithm algorithm : kAlgorithms) {
    const absl::string_view name = NameOf(algorithm);
    ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                     sys::ListDirAt(blobs_.get(), name));
    for (const sys::DirEntry& entry : entries) {
      absl::StatusOr<Digest> digest =
          Digest::Parse(absl::StrCat(name, ":", entry.name));
      if (digest.ok()) digests.push_back(*std::move(digest));
    }
  }
  return digests;
}

absl::StatusOr<std::string> ContentStore::MakeScratch(UniqueFd* fd) {
  std::string name = NewId();
  RETURN_IF_ERROR(sys::MkdirAt(ingest_.get(), name, 0700));
  ASSIGN_OR_RETURN(*fd,
                   sys::OpenAt(ingest_.get(), name, O_RDONLY | O_DIRECTORY));
  return name;
}

absl::Status ContentStore::RemoveScratch(const std::string& name) {
  return sys::RemoveTreeAt(ingest_.get(), name);
}

}  // namespace gantry::image
