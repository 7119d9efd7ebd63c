// What gantryd keeps on disk, opened (docs/on_disk.md).

#ifndef GANTRY_SERVER_STORES_H_
#define GANTRY_SERVER_STORES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/image/image_store.h"
#include "runtime/rootfs/snapshotter.h"
#include "runtime/state/record_store.h"
#include "server/core/paths.h"

namespace gantry::server {

struct Stores {
  std::unique_ptr<state::RecordStore> pods;
  std::unique_ptr<state::RecordStore> containers;
  std::unique_ptr<image::ImageStore> images;
  std::unique_ptr<rootfs::Snapshotter> snapshotter;
};

// The directories of `paths` exist. Blocks on the disk. Image layers that a
// container's record names are kept, whether their image is or not: all records
// of containers are read for that. FAILED_PRECONDITION, and nothing is touched,
// if a record is of a newer program.
absl::StatusOr<Stores> OpenStores(const core::Paths& paths);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_STORES_H_
