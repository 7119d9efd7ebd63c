#include "server/stores.h"

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "proto/record.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "server/core/layers_in_use.h"

namespace gantry::server {
namespace {

absl::StatusOr<std::unique_ptr<state::RecordStore>> OpenRecords(
    const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<state::RecordStore> store,
                   state::RecordStore::OpenPath(path, sys::Durability::kCrash));
  // Before anything is removed: one of a newer program is not ours to touch.
  RETURN_IF_ERROR(store->List().status());
  RETURN_IF_ERROR(store->CleanUp());
  return store;
}

// A damaged record names no layers; recovery ends its container.
absl::StatusOr<std::vector<record::ContainerRecord>> ContainersOf(
    const state::RecordStore& containers) {
  ASSIGN_OR_RETURN(std::vector<state::RecordStore::Listed> all,
                   containers.List());
  std::vector<record::ContainerRecord> records;
  for (const state::RecordStore::Listed& listed : all) {
    record::ContainerRecord container;
    if (listed.payload.ok() && container.ParseFromString(*listed.payload)) {
      records.push_back(std::move(container));
    }
  }
  return records;
}

absl::StatusOr<std::unique_ptr<image::ImageStore>> OpenImages(
    const core::Paths& paths, const state::RecordStore& containers) {
  ASSIGN_OR_RETURN(std::vector<record::ContainerRecord> records,
                   ContainersOf(containers));
  const auto in_use = [&records](const std::string& lower_dir) {
    return std::any_of(records.begin(), records.end(),
                       [&](const record::ContainerRecord& container) {
                         return core::UsesLayer(container, lower_dir);
                       });
  };
  ASSIGN_OR_RETURN(UniqueFd directory, sys::OpenAt(AT_FDCWD, paths.Images(),
                                                   O_RDONLY | O_DIRECTORY));
  std::vector<absl::Status> problems;
  ASSIGN_OR_RETURN(std::unique_ptr<image::ImageStore> images,
                   image::ImageStore::Open(directory.get(), in_use, &problems));
  for (const absl::Status& problem : problems) {
    LOG(WARNING) << "image store: damaged, and given up: " << problem;
  }
  return images;
}

}  // namespace

absl::StatusOr<Stores> OpenStores(const core::Paths& paths) {
  Stores stores;
  ASSIGN_OR_RETURN(stores.pods, OpenRecords(paths.PodRecords()));
  ASSIGN_OR_RETURN(stores.containers, OpenRecords(paths.ContainerRecords()));
  ASSIGN_OR_RETURN(stores.images, OpenImages(paths, *stores.containers),
                   "open the image store");
  ASSIGN_OR_RETURN(stores.snapshotter,
                   rootfs::Snapshotter::Open(paths.root(), paths.Layers()));
  return stores;
}

}  // namespace gantry::server
