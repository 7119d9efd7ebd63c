// A large blob in parallel ranges: several connections fetch consecutive ranges
// (RFC 9110 section 14.2), which are handed out in order.
//
// The reader's own connection fetches the first range, and so finds out
// whether the host gives ranges: one that answers with all of the blob is read
// to its end, as ever. The others come aside, each asked for once. What one of
// them lacks at its end, for whatever reason, the reader's connection fetches,
// with all its patience (registry_blob.h), and until it has, nothing more is
// asked for aside: a registry in trouble sees one client, and failures are
// counted as with a single connection.
//
// Memory: `parallel_ranges` times `range_bytes` at most, with as many
// connections. Thread safety: one reader. Next() blocks. Nothing is verified
// here but lengths.

#ifndef GANTRY_RUNTIME_IMAGE_REGISTRY_RANGES_H_
#define GANTRY_RUNTIME_IMAGE_REGISTRY_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/image/manifest.h"
#include "runtime/image/registry_blob.h"
#include "runtime/image/registry_options.h"
#include "runtime/image/run_aside.h"

namespace gantry::image {

class RangedBlob : public BlobStream {
 public:
  // `open` asks as often as is worth it, `ask_once` once; both must end soon
  // after `cancelled` says so, `ask_once` and its answers also after `leave`
  // was called. Borrows `options`.
  struct Means {
    BlobOpener open;
    BlobOpener ask_once;
    std::function<bool()> cancelled;
    std::function<void()> leave;
    RunAside run_aside;
  };

  // From the byte `offset` on.
  RangedBlob(Descriptor blob, Means means, const RegistryOptions& options,
             int64_t offset, size_t first_host);
  // Waits for what is received aside, after leave().
  ~RangedBlob() override;

  // The first request; Next() would make it too.
  absl::Status Connect();
  absl::StatusOr<absl::string_view> Next() override;
  const BlobOrigin& origin() const override { return origin_; }

  // Whether so much of a blob is worth more than one connection.
  static bool IsWorthIt(int64_t bytes, const RegistryOptions& options) {
    return options.parallel_ranges > 1 && bytes > 2 * options.range_bytes;
  }

 private:
  struct Range;
  class Aside;

  // Asks for what may be under way beside what is.
  void AskAside();
  // A host gives no ranges: what is under way is of no use.
  void Leave();
  // The next bytes of the first range aside; empty when there are no more.
  absl::string_view Take(Range* range);

  const int64_t size_;
  const RegistryOptions& options_;
  const std::function<void()> leave_;
  const RunAside run_aside_;
  const std::shared_ptr<Aside> aside_;
  BlobSource main_;
  bool main_reads_ = true;
  BlobOrigin origin_;
  int64_t at_;     // of the next byte to hand out
  int64_t asked_;  // behind the last range that was asked for
  // In order, those of main_ left out.
  std::deque<std::shared_ptr<Range>> ranges_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REGISTRY_RANGES_H_
