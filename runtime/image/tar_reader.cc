#include "runtime/image/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::image {
namespace {

// Of the stream, for the headers of one entry. Real ones take a few KiB. The
// smallest holes of a sparse map take four bytes here and twelve times as many
// once they are read.
constexpr int64_t kMaxHeaderBytes = int64_t{2} << 20;

// In the C locale libarchive hands names out byte for byte (and warns that it
// could not convert them); in others it may change them.
class CLocale {
 public:
  CLocale() : before_(uselocale(Instance())) {}
  ~CLocale() { uselocale(before_); }

 private:
  static locale_t Instance() {
    static const locale_t instance = newlocale(LC_ALL_MASK, "C", nullptr);
    return instance;
  }
  locale_t before_;
};

}  // namespace

struct TarReader::State {
  ByteSource* source;
  archive* reader = nullptr;
  absl::Status source_error;
  bool opened = false;
  bool in_header = false;
  bool empty_archive = true;  // not one byte came from the source
  bool data_left = false;
  int64_t header_bytes = 0;

  static la_ssize_t OnRead(archive* reader, void* self, const void** data);
  absl::Status Failure(absl::string_view what) const;
  absl::Status Open();
  absl::Status SkipData();
};

la_ssize_t TarReader::State::OnRead(archive* reader, void* self,
                                    const void** data) {
  auto* me = static_cast<State*>(self);
  if (me->in_header && me->header_bytes > kMaxHeaderBytes) {
    me->source_error = absl::ResourceExhaustedError(
        "tar: the headers of one entry take more than 2 MiB");
  }
  if (!me->source_error.ok()) {
    archive_set_error(reader, EIO, "source");
    return ARCHIVE_FATAL;
  }
  absl::StatusOr<absl::string_view> chunk = me->source->Next();
  if (!chunk.ok()) {
    me->source_error = chunk.status();
    archive_set_error(reader, EIO, "source");
    return ARCHIVE_FATAL;
  }
  if (me->in_header) me->header_bytes += chunk->size();
  if (!chunk->empty()) me->empty_archive = false;
  *data = chunk->data();
  return chunk->size();
}

absl::Status TarReader::State::Failure(absl::string_view what) const {
  if (!source_error.ok()) return source_error;
  const char* text = archive_error_string(reader);
  return absl::InvalidArgumentError(
      absl::StrCat("tar: ", what, ": ", text == nullptr ? "damaged" : text));
}

absl::Status TarReader::State::Open() {
  opened = true;
  reader = archive_read_new();
  if (reader == nullptr) return absl::ResourceExhaustedError("tar: set up");
  if (archive_read_support_format_tar(reader) != ARCHIVE_OK ||
      archive_read_support_format_empty(reader) != ARCHIVE_OK) {
    return Failure("set up");
  }
  in_header = true;
  const int result = archive_read_open(reader, this, nullptr, OnRead, nullptr);
  in_header = false;
  return result == ARCHIVE_OK ? absl::OkStatus() : Failure("open");
}

// Here, and not as a part of the next header: so what is read while a header
// is parsed is header.
absl::Status TarReader::State::SkipData() {
  if (!data_left) return absl::OkStatus();
  data_left = false;
  const int result = archive_read_data_skip(reader);
  if (result == ARCHIVE_OK || result == ARCHIVE_EOF) return absl::OkStatus();
  return Failure("skip the data of an entry");
}

TarReader::TarReader(ByteSource* source) : state_(std::make_unique<State>()) {
  state_->source = source;
}

TarReader::~TarReader() {
  if (state_->reader != nullptr) archive_read_free(state_->reader);
}

namespace {

std::string OrEmpty(const char* text) { return text == nullptr ? "" : text; }

void Fill(archive_entry* from, TarEntry* entry) {
  *entry = TarEntry();
  entry->path = OrEmpty(archive_entry_pathname(from));
  entry->type = archive_entry_filetype(from);
  if (const char* target = archive_entry_hardlink(from)) {
    entry->hard_link = true;
    entry->link = target;
  } else if (entry->type == AE_IFLNK) {
    entry->link = OrEmpty(archive_entry_symlink(from));
  }
  entry->mode = archive_entry_perm(from);
  entry->uid = archive_entry_uid(from);
  entry->gid = archive_entry_gid(from);
  entry->size = archive_entry_size(from);
  entry->device = archive_entry_rdev(from);
  entry->mtime = {.tv_sec = archive_entry_mtime(from),
                  .tv_nsec = archive_entry_mtime_nsec(from)};
  archive_entry_xattr_reset(from);
  const char* name;
  const void* value;
  size_t size;
  while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
    entry->xattrs.emplace_back(
        name, std::string(static_cast<const char*>(value), size));
  }
}

}  // namespace

absl::StatusOr<bool> TarReader::Next(TarEntry* entry) {
  State& state = *state_;
  CLocale locale;
  if (!state.opened) {
    RETURN_IF_ERROR(state.Open());
  }
  RETURN_IF_ERROR(state.SkipData());
  state.header_bytes = 0;
  state.in_header = true;
  archive_entry* header = nullptr;
  const int result = archive_read_next_header(state.reader, &header);
  state.in_header = false;
  if (result == ARCHIVE_EOF) {
    if (!state.source_error.ok()) return state.source_error;
    return false;
  }
  // The one warning that is none: a name that is not of this locale. All
  // others say that a part of the header was dropped.
  const bool only_charset =
      result == ARCHIVE_WARN && archive_errno(state.reader) == EILSEQ;
  if (result != ARCHIVE_OK && !only_charset) return state.Failure("header");
  Fill(header, entry);
  if (entry->path.empty()) {
    return absl::InvalidArgumentError("tar: an entry without a name");
  }
  if (entry->size < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("tar: negative size of ", entry->path));
  }
  state.data_left = true;
  return true;
}

absl::StatusOr<bool> TarReader::NextBlock(TarBlock* block) {
  State& state = *state_;
  if (!state.data_left) return false;
  const void* data = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  const int result =
      archive_read_data_block(state.reader, &data, &size, &offset);
  if (result == ARCHIVE_EOF) {
    state.data_left = false;
    return false;
  }
  if (result != ARCHIVE_OK) return state.Failure("data of an entry");
  *block = {.offset = offset,
            .data = absl::string_view(static_cast<const char*>(data), size)};
  return true;
}

}  // namespace gantry::image
