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

class BlobSource : public ByteSource {
 public:
  // Asks for the blob, from the host `first_host` on, as often as is worth it.
  using Opener = std::function<absl::StatusOr<Answered>(
      std::optional<http::ByteRange> range, size_t first_host)>;

  // From the byte `offset` on. Borrows `options`.
  BlobSource(Descriptor blob, Opener open, const RegistryOptions& options,
             std::function<bool()> cancelled, int64_t offset = 0)
      : blob_(std::move(blob)),
        open_(std::move(open)),
        options_(options),
        cancelled_(std::move(cancelled)),
        offset_(offset),
        forgiven_at_(offset) {}

  // The first request; Next() would make it too.
  absl::Status Connect();
  absl::StatusOr<absl::string_view> Next() override;

 private:
  bool IsRangeAskedFor() const;
  absl::StatusOr<absl::string_view> NextOnce();
  void NoteFailure();

  const Descriptor blob_;
  const Opener open_;
  const RegistryOptions& options_;
  const std::function<bool()> cancelled_;
  Answered answered_;
  bool gave_up_ = false;
  size_t first_host_ = 0;
  int64_t offset_;    // of the next byte to hand out
  int64_t skip_ = 0;  // bytes of this answer that were handed out before
  bool without_ranges_ = false;  // the server's are wrong
  int failures_ = 0;             // since `forgiven_at_`
  int64_t forgiven_at_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_BLOB_H_
