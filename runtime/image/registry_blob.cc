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
bool BringsRange(const http::Response& response, int64_t first, int64_t end,
                 int64_t size) {
  const std::string header = response.headers().Get("Content-Range");
  absl::string_view text = header;
  if (!absl::ConsumePrefix(&text, "bytes ")) return false;
  const std::vector<absl::string_view> parts =
      absl::StrSplit(text, absl::ByAnyChar("-/"));
  int64_t from = 0;
  int64_t last = 0;
  int64_t total = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &from) ||
      !absl::SimpleAtoi(parts[1], &last)) {
    return false;
  }
  if (parts[2] != "*" &&
      (!absl::SimpleAtoi(parts[2], &total) || total != size)) {
    return false;
  }
  return from == first && last >= first && last < end;
}

void BlobOrigin::Add(const Answered& answered) {
  BlobOrigin one;
  one.first_ = answered.host;
  if (!answered.is_last_host) one.next_ = answered.host + 1;
  Add(one);
}

void BlobOrigin::Add(const BlobOrigin& other) {
  if (!other.first_ || (first_ && *first_ <= *other.first_)) return;
  *this = other;
}

absl::Status BlobSource::Connect() {
  RETURN_IF_ERROR(Ask());
  if (answered_.response->status() == 206) return absl::OkStatus();
  // Without ranges it begins anew, and goes on to the end.
  skip_ = offset_;
  end_ = blob_.size;
  return absl::OkStatus();
}

absl::Status BlobSource::Ask() {
  // What fails here has been tried often enough.
  gave_up_ = true;
  const bool is_part = end_ < blob_.size;
  if ((offset_ > 0 || is_part) && !without_ranges_) {
    http::ByteRange range = {.first = offset_};
    if (is_part) range.last = end_ - 1;
    ASSIGN_OR_RETURN(answered_, open_(range, first_host_));
    skip_ = 0;
    without_ranges_ =
        answered_.response->status() == 206 &&
        !BringsRange(*answered_.response, offset_, end_, blob_.size);
    if (!without_ranges_) {
      gave_up_ = false;
      return absl::OkStatus();
    }
    // It does not know what ranges are: all of it, then.
    answered_.response.reset();
  }
  ASSIGN_OR_RETURN(answered_, open_(std::nullopt, first_host_));
  gave_up_ = false;
  return absl::OkStatus();
}

void BlobSource::MoveTo(int64_t offset, int64_t end) {
  answered_.response.reset();
  offset_ = offset;
  end_ = end;
}

absl::StatusOr<absl::string_view> BlobSource::NextOnce() {
  if (offset_ == end_ && end_ < blob_.size) {
    // Its connection is kept only if it is read to its end.
    if (answered_.response != nullptr) {
      answered_.response->Next().IgnoreError();
      answered_.response.reset();
    }
    return absl::string_view();
  }
  if (answered_.response == nullptr) {
    RETURN_IF_ERROR(Connect());
  }
  while (true) {
    absl::StatusOr<absl::string_view> chunk = answered_.response->Next();
    // How a transfer ends that brought everything does not matter.
    if (!chunk.ok() && offset_ == end_ && skip_ == 0) {
      return absl::string_view();
    }
    RETURN_IF_ERROR(chunk);
    if (chunk->empty() && offset_ < end_) {
      return absl::UnavailableError(
          absl::StrCat("blob ", blob_.digest.ToString(), ": the registry sent ",
                       offset_ - skip_, " of ", blob_.size, " bytes"));
    }
    if (chunk->empty()) return *chunk;
    const int64_t drop = std::min<int64_t>(skip_, chunk->size());
    skip_ -= drop;
    chunk->remove_prefix(drop);
    if (chunk->empty()) continue;
    if (end_ < blob_.size) *chunk = chunk->substr(0, end_ - offset_);
    offset_ += chunk->size();
    origin_.Add(answered_);
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
