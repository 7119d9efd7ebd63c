#include "runtime/image/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::image {

struct TarWriter::State {
  ByteSink sink;
  archive* writer = nullptr;
  absl::Status sink_error;
  std::string name;
  int64_t left = 0;

  static la_ssize_t OnWrite(archive* writer, void* self, const void* data,
                            size_t size);
  absl::Status Checked(la_ssize_t result, absl::string_view what) const;
};

la_ssize_t TarWriter::State::OnWrite(archive* writer, void* self,
                                     const void* data, size_t size) {
  auto* me = static_cast<State*>(self);
  // libarchive writes on after an error, to close the archive.
  if (me->sink_error.ok()) {
    me->sink_error =
        me->sink(absl::string_view(static_cast<const char*>(data), size));
  }
  if (me->sink_error.ok()) return size;
  archive_set_error(writer, EIO, "sink");
  return ARCHIVE_FATAL;
}

absl::Status TarWriter::State::Checked(la_ssize_t result,
                                       absl::string_view what) const {
  if (!sink_error.ok()) return sink_error;
  if (result >= ARCHIVE_OK) return absl::OkStatus();
  const char* text = archive_error_string(writer);
  return absl::InternalError(
      absl::StrCat("tar: ", what, ": ", text == nullptr ? "failed" : text));
}

TarWriter::TarWriter(ByteSink sink) : state_(std::make_unique<State>()) {
  state_->sink = std::move(sink);
  state_->writer = archive_write_new();
  archive_write_set_format_pax_restricted(state_->writer);
  // Bytes go to the sink as they are written.
  archive_write_set_bytes_per_block(state_->writer, 0);
  archive_write_open(state_->writer, state_.get(), nullptr, State::OnWrite,
                     nullptr);
}

TarWriter::~TarWriter() {
  // An archive that was not finished gets no end that looks like one.
  if (state_->sink_error.ok()) {
    state_->sink_error = absl::CancelledError("tar: not finished");
  }
  archive_write_free(state_->writer);
}

absl::Status TarWriter::AddFile(const std::string& name,
                                absl::string_view content) {
  RETURN_IF_ERROR(BeginFile(name, content.size()));
  RETURN_IF_ERROR(Write(content));
  return EndFile();
}

absl::Status TarWriter::BeginFile(const std::string& name, int64_t size) {
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_size(entry, size);
  archive_entry_set_mtime(entry, 0, 0);
  const int written = archive_write_header(state_->writer, entry);
  archive_entry_free(entry);
  state_->name = name;
  state_->left = size;
  return state_->Checked(written, absl::StrCat("begin ", name));
}

absl::Status TarWriter::Write(absl::string_view piece) {
  state_->left -= piece.size();
  if (state_->left < 0) {
    return absl::DataLossError(
        absl::StrCat("tar: ", state_->name, ": more bytes than expected"));
  }
  while (!piece.empty()) {
    const la_ssize_t written =
        archive_write_data(state_->writer, piece.data(), piece.size());
    RETURN_IF_ERROR(
        state_->Checked(written, absl::StrCat("write ", state_->name)));
    piece.remove_prefix(written);
  }
  return absl::OkStatus();
}

absl::Status TarWriter::EndFile() {
  if (state_->left > 0) {
    return absl::DataLossError(absl::StrCat("tar: ", state_->name, ": ",
                                            state_->left, " bytes too few"));
  }
  return state_->Checked(archive_write_finish_entry(state_->writer),
                         absl::StrCat("end ", state_->name));
}

absl::Status TarWriter::Finish() {
  return state_->Checked(archive_write_close(state_->writer), "finish");
}

}  // namespace gantry::image
