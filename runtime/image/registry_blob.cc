#include "runtime/image/registry_blob.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/image/registry_failures.h"

namespace gantry::image {
namespace {

// So many new bytes make up for earlier failures.
constexpr int64_t kForgivenBytes = int64_t{1} << 20;

}  // namespace

// "bytes FIRST-LAST/SIZE" (RFC 9110 section 14.4); SIZE may be "*".
bool BlobSource::IsRangeAskedFor() const {
  const std::string header = answered_.response->headers().Get("Content-Range");
  absl::string_view text = header;
  if (!absl::ConsumePrefix(&text, "bytes ")) return false;
  const std::vector<absl::string_view> parts =
      absl::StrSplit(text, absl::ByAnyChar("-/"));
  int64_t first = 0;
  int64_t last = 0;
  int64_t size = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &first) ||
      !absl::SimpleAtoi(parts[1], &last)) {
    return false;
  }
  if (parts[2] != "*" &&
      (!absl::SimpleAtoi(parts[2], &size) || size != blob_.size)) {
    return false;
  }
  return first == offset_ && last >= first && last < blob_.size;
}

absl::Status BlobSource::Connect() {
  std::optional<http::ByteRange> range;
  if (offset_ > 0 && !without_ranges_) {
    range = http::ByteRange{.first = offset_};
  }
  // What fails here has been tried often enough.
  gave_up_ = true;
  ASSIGN_OR_RETURN(answered_, open_(range, first_host_));
  gave_up_ = false;
  // A server without ranges begins anew.
  skip_ = offset_;
  if (answered_.response->status() != 206) return absl::OkStatus();
  if (range && IsRangeAskedFor()) {
    skip_ = 0;
    return absl::OkStatus();
  }
  answered_.response.reset();
  if (!range) {
    return absl::DataLossError(
        absl::StrCat("blob ", blob_.digest.ToString(),
                     ": a partial answer was not asked for"));
  }
  without_ranges_ = true;
  return absl::UnavailableError(
      absl::StrCat("blob ", blob_.digest.ToString(),
                   ": the registry answered another range than asked for"));
}

absl::StatusOr<absl::string_view> BlobSource::NextOnce() {
  if (answered_.response == nullptr) {
    RETURN_IF_ERROR(Connect());
  }
  while (true) {
    absl::StatusOr<absl::string_view> chunk = answered_.response->Next();
    // How a transfer ends that brought everything does not matter.
    if (!chunk.ok() && offset_ == blob_.size && skip_ == 0) {
      return absl::string_view();
    }
    RETURN_IF_ERROR(chunk);
    if (chunk->empty() && offset_ < blob_.size) {
      return absl::UnavailableError(
          absl::StrCat("blob ", blob_.digest.ToString(), ": the registry sent ",
                       offset_ - skip_, " of ", blob_.size, " bytes"));
    }
    if (chunk->empty()) return *chunk;
    const int64_t drop = std::min<int64_t>(skip_, chunk->size());
    skip_ -= drop;
    chunk->remove_prefix(drop);
    if (chunk->empty()) continue;
    offset_ += chunk->size();
    if (offset_ > blob_.size) {
      return absl::DataLossError(absl::StrCat(
          "blob ", blob_.digest.ToString(),
          ": the registry sent more than its ", blob_.size, " bytes"));
    }
    return *chunk;
  }
}

void BlobSource::NoteFailure() {
  if (offset_ - forgiven_at_ >= kForgivenBytes) {
    forgiven_at_ = offset_;
    failures_ = 0;
  }
  ++failures_;
  if (failures_ > 1 && !answered_.is_last_host) {
    first_host_ = answered_.host + 1;
  }
  answered_.response.reset();
}

absl::StatusOr<absl::string_view> BlobSource::Next() {
  while (true) {
    absl::StatusOr<absl::string_view> chunk = NextOnce();
    if (chunk.ok() || gave_up_ || !IsPassing(chunk.status())) return chunk;
    NoteFailure();
    if (failures_ >= options_.max_attempts) {
      return Annotate(chunk.status(),
                      absl::StrCat("gave up after ", failures_, " failures"));
    }
    RETURN_IF_ERROR(
        WaitToRetry(options_, failures_, absl::ZeroDuration(), cancelled_));
  }
}

}  // namespace gantry::image
