// A blob as a stream that mends itself: a transfer that breaks or stalls is
// taken up where it broke (Range), and when it brings nothing new, from the
// next host. It ends: after `max_attempts` failures without a MiB of new bytes.
//
// Thread safety: none. Next() blocks. Nothing is verified here but lengths; who
// reads compares the digest.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_BLOB_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_BLOB_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/http/client.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/manifest.h"
#include "runtime/image/registry_options.h"

namespace gantry::image {

// An answer of status 200 or 206, and which of the registry's hosts gave it.
struct Answered {
  std::unique_ptr<http::Response> response;
  size_t host = 0;
  bool is_last_host = true;
};

// Asks for a blob or a range of it, from the host `first_host` on. Only who is
// asked for a range may answer with 206.
using BlobOpener = std::function<absl::StatusOr<Answered>(
    std::optional<http::ByteRange> range, size_t first_host)>;

// Whether an answer of status 206 brings bytes from `first` on, none behind
// `end`, of a blob of `size` bytes.
bool BringsRange(const http::Response& response, int64_t first, int64_t end,
                 int64_t size);

// Which hosts a blob's bytes came from.
class BlobOrigin {
 public:
  void Add(const Answered& answered);
  void Add(const BlobOrigin& other);
  // The host to ask for all of it should its content be wrong: the one behind
  // the first of them. None: there is no other.
  std::optional<size_t> NextHost() const { return next_; }

 private:
  std::optional<size_t> first_;
  std::optional<size_t> next_;
};

class BlobStream : public ByteSource {
 public:
  // Of the bytes handed out so far.
  virtual const BlobOrigin& origin() const = 0;
};

class BlobSource : public BlobStream {
 public:
  // The bytes `offset` to `end`. `open` asks as often as is worth it. Borrows
  // `options`.
  BlobSource(Descriptor blob, BlobOpener open, const RegistryOptions& options,
             std::function<bool()> cancelled, int64_t offset, int64_t end,
             size_t first_host)
      : blob_(std::move(blob)),
        open_(std::move(open)),
        options_(options),
        cancelled_(std::move(cancelled)),
        first_host_(first_host),
        offset_(offset),
        end_(end),
        forgiven_at_(offset) {}

  // The first request; Next() would make it too.
  absl::Status Connect();
  absl::StatusOr<absl::string_view> Next() override;
  const BlobOrigin& origin() const override { return origin_; }

  // Behind the last byte that Next() will hand out: what was asked for, or the
  // blob's end once a host answered with all of it.
  int64_t end() const { return end_; }
  // Goes on elsewhere. Failures are counted on.
  void MoveTo(int64_t offset, int64_t end);
  // That answered last.
  size_t host() const { return answered_.host; }

 private:
  absl::Status Ask();
  absl::StatusOr<absl::string_view> NextOnce();
  void NoteFailure();

  const Descriptor blob_;
  const BlobOpener open_;
  const RegistryOptions& options_;
  const std::function<bool()> cancelled_;
  Answered answered_;
  BlobOrigin origin_;
  bool gave_up_ = false;
  size_t first_host_;
  int64_t offset_;    // of the next byte to hand out
  int64_t end_;       // behind the last one
  int64_t skip_ = 0;  // bytes of this answer that were handed out before
  bool without_ranges_ = false;  // the server's are wrong
  int failures_ = 0;             // since `forgiven_at_`
  int64_t forgiven_at_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_BLOB_H_
