// A stream of bytes that is pulled chunk by chunk, and the links of the chain
// blob -> hash -> inflate -> hash -> tar, each of which passes chunks on
// without copying them.
//
// Ownership: a filter borrows the source it reads from. Thread safety: none.
// Next() blocks as its origin does.

#ifndef GANTRY_RUNTIME_IMAGE_BYTE_SOURCE_H_
#define GANTRY_RUNTIME_IMAGE_BYTE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/digest.h"

namespace gantry::image {

inline constexpr size_t kChunkBytes = size_t{1} << 20;

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next bytes, valid until the next call; empty at the end (and then
  // always).
  virtual absl::StatusOr<absl::string_view> Next() = 0;
};

// Reads all that is left and drops it.
absl::Status Drain(ByteSource* source);
// RESOURCE_EXHAUSTED if there is more than `max_bytes`.
absl::StatusOr<std::string> ReadAll(ByteSource* source, size_t max_bytes);

class StringSource : public ByteSource {
 public:
  // Hands `data` out in pieces of at most `chunk` bytes.
  explicit StringSource(std::string data, size_t chunk = kChunkBytes)
      : data_(std::move(data)), chunk_(chunk) {}
  absl::StatusOr<absl::string_view> Next() override;

 private:
  std::string data_;
  size_t chunk_;
  size_t at_ = 0;
};

// Reads a descriptor from where it stands.
class FdSource : public ByteSource {
 public:
  explicit FdSource(UniqueFd fd) : fd_(std::move(fd)) {}
  absl::StatusOr<absl::string_view> Next() override;

 private:
  UniqueFd fd_;
  std::vector<char> buffer_;
};

// Hashes and counts what passes.
class HashingSource : public ByteSource {
 public:
  HashingSource(ByteSource* from, Digest::Algorithm algorithm)
      : from_(from), hasher_(algorithm) {}
  absl::StatusOr<absl::string_view> Next() override;
  int64_t bytes() const { return bytes_; }
  // Once, at the end.
  Digest Finish() { return hasher_.Finish(); }

 private:
  ByteSource* from_;
  DigestHasher hasher_;
  int64_t bytes_ = 0;
};

// Calls `observe` with each chunk that passes; its error ends the stream. Used
// for progress, cancellation and for keeping a copy.
class ObservedSource : public ByteSource {
 public:
  using Observer = std::function<absl::Status(absl::string_view chunk)>;
  ObservedSource(ByteSource* from, Observer observe)
      : from_(from), observe_(std::move(observe)) {}
  absl::StatusOr<absl::string_view> Next() override;

 private:
  ByteSource* from_;
  Observer observe_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_BYTE_SOURCE_H_
