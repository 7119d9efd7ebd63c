#include "runtime/image/byte_source.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::image {

absl::Status Drain(ByteSource* source) {
  while (true) {
    ASSIGN_OR_RETURN(absl::string_view chunk, source->Next());
    if (chunk.empty()) return absl::OkStatus();
  }
}

absl::StatusOr<std::string> ReadAll(ByteSource* source, size_t max_bytes) {
  std::string out;
  while (true) {
    ASSIGN_OR_RETURN(absl::string_view chunk, source->Next());
    if (chunk.empty()) return out;
    if (out.size() + chunk.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than the ", max_bytes, " bytes allowed"));
    }
    absl::StrAppend(&out, chunk);
  }
}

absl::StatusOr<absl::string_view> StringSource::Next() {
  const absl::string_view chunk = absl::string_view(data_).substr(at_, chunk_);
  at_ += chunk.size();
  return chunk;
}

absl::StatusOr<absl::string_view> FdSource::Next() {
  buffer_.resize(kChunkBytes);
  ssize_t n;
  do {
    n = read(fd_.get(), buffer_.data(), buffer_.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return ErrnoStatus(errno, "read");
  return absl::string_view(buffer_.data(), n);
}

absl::StatusOr<absl::string_view> HashingSource::Next() {
  ASSIGN_OR_RETURN(absl::string_view chunk, from_->Next());
  hasher_.Update(chunk);
  bytes_ += chunk.size();
  return chunk;
}

absl::StatusOr<absl::string_view> ObservedSource::Next() {
  ASSIGN_OR_RETURN(absl::string_view chunk, from_->Next());
  if (!chunk.empty()) {
    RETURN_IF_ERROR(observe_(chunk));
  }
  return chunk;
}

}  // namespace gantry::image
