// What a pull of given layers cannot do without: inflating them (ISA-L, zstd),
// SHA-256 over what came and what came out, and writing each regular file's
// bytes into a file of its own. Nothing is received, no header is read, no
// owner, mode or time is set, nothing is made durable.
//
// Ownership: the layers are kept in memory, compressed and as the files' bytes.
// Thread safety: none. Blocks for as long as it measures.

#ifndef GANTRY_TOOLS_BENCH_PULL_FLOOR_H_
#define GANTRY_TOOLS_BENCH_PULL_FLOOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry::bench {

// Nanoseconds.
struct PullFloorCosts {
  // All of it with a thread per core, each taking the largest task that is
  // left: inflating and hashing a layer is one, writing its files another, and
  // neither waits for the other.
  int64_t all_cores = 0;
  // All of it on one thread; the four are its parts.
  int64_t one_core = 0;
  int64_t hash_blobs = 0;
  int64_t inflate = 0;
  int64_t hash_plain = 0;
  int64_t write = 0;
  // No part of the floor: getting what was written onto the disk afterwards.
  int64_t sync = 0;
};

class PullFloor {
 public:
  // `blobs`: layers as they travel. Files are written below `scratch`.
  static absl::StatusOr<std::unique_ptr<PullFloor>> Make(
      std::vector<std::string> blobs, std::string scratch);

  // Leaves nothing behind.
  absl::StatusOr<PullFloorCosts> Measure();

  // "1 layer, 60.6 MB, inflated 181.0 MB in 6712 files".
  std::string Description() const;

 private:
  struct Layer {
    std::string blob;
    std::string data;           // of all files, one after the other
    std::vector<size_t> sizes;  // of each file
    int64_t plain_bytes = 0;    // of the tar
  };
  struct Task {
    const Layer* layer;
    bool write;
    int64_t weight;
  };

  PullFloor() = default;
  static absl::StatusOr<Layer> Read(std::string blob);
  // Adds what it took to `costs`.
  static absl::Status Inflate(const Layer& layer, PullFloorCosts* costs);
  static absl::Status Write(const Layer& layer, int dirfd, int number,
                            PullFloorCosts* costs);
  absl::Status OnOneCore(int dirfd, PullFloorCosts* costs) const;
  absl::Status OnAllCores(int dirfd, PullFloorCosts* costs) const;
  absl::Status InScratch(absl::Status (PullFloor::*run)(int, PullFloorCosts*)
                             const,
                         PullFloorCosts* costs) const;

  std::vector<Layer> layers_;
  std::string scratch_;
};

}  // namespace gantry::bench

#endif  // GANTRY_TOOLS_BENCH_PULL_FLOOR_H_
