// Images beyond CRI: saved, tagged, measured, pruned, verified.
//
// What takes long runs on the blocking executor.
// Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_IMAGE_ADMIN_H_
#define GANTRY_SERVER_CORE_IMAGE_ADMIN_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/image_record.pb.h"
#include "runtime/image/exporter.h"
#include "runtime/image/fsck.h"
#include "runtime/image/image_space.h"
#include "runtime/rootfs/usage.h"
#include "server/core/node.h"
#include "server/work/cancellation.h"
#include "server/work/task.h"

namespace gantry::core {

struct SaveRequest {
  std::vector<std::string> images;
  image::ArchiveFormat format = image::ArchiveFormat::kOciLayout;
};

struct NodeImageUsage {
  struct Image {
    image::ImageSpace space;
    int containers = 0;
    // OK, or what it lacks.
    absl::Status complete;
  };
  struct Container {
    ContainerPtr container;
    rootfs::Usage usage;
  };
  std::vector<Image> images;
  std::vector<Container> containers;
  rootfs::Usage store;
};

struct PruneRequest {
  bool dangling_only = false;
  bool dry_run = false;
  // Names of images that stay.
  std::set<std::string> pinned;
};

struct Pruned {
  std::vector<record::ImageRecord> images;
  int64_t freed_bytes = 0;
};

class ImageAdmin {
 public:
  // `node` must outlive this.
  explicit ImageAdmin(Node& node) : node_(node) {}

  // Gives `sink` the archive on a thread that may block.
  work::Task<absl::Status> Save(SaveRequest request, image::ByteSink sink);
  work::Task<absl::Status> Tag(std::string image, std::string name);
  // Whether an image had the name.
  work::Task<absl::StatusOr<bool>> Untag(std::string name);
  work::Task<absl::StatusOr<NodeImageUsage>> Usage();
  work::Task<absl::StatusOr<Pruned>> Prune(PruneRequest request);
  // `found` is called on a thread that may block.
  work::Task<absl::StatusOr<image::FsckResult>> Verify(
      bool repair, std::function<absl::Status(const image::FsckFinding&)> found,
      work::Cancellation cancellation);

 private:
  absl::StatusOr<Pruned> PruneNow(const PruneRequest& request);
  absl::StatusOr<NodeImageUsage> UsageNow();

  Node& node_;
};

// Ids of the images that containers are made of or have mounted.
std::multiset<std::string> ImagesInUse(const ContainerIndex& containers);

// What a prune removes of `images`: those that `used` does not name, are not
// pinned and, if so asked, have no tag.
std::vector<record::ImageRecord> ChooseToPrune(
    const std::vector<record::ImageRecord>& images,
    const std::multiset<std::string>& used, const PruneRequest& request);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_IMAGE_ADMIN_H_
