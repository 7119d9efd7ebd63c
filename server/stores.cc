#include "server/stores.h"

#include <fcntl.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "proto/record.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"

namespace gantry::server {
namespace {

absl::StatusOr<std::unique_ptr<state::RecordStore>> OpenRecords(
    const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<state::RecordStore> store,
                   state::RecordStore::OpenPath(path, sys::Durability::kCrash));
  RETURN_IF_ERROR(store->CleanUp());
  return store;
}

// The layers below any container. A damaged record names none; recovery ends
// its container.
absl::StatusOr<std::set<std::string>> LayersOf(
    const state::RecordStore& containers) {
  ASSIGN_OR_RETURN(std::vector<state::RecordStore::Listed> all,
                   containers.List());
  std::set<std::string> diff_ids;
  for (const state::RecordStore::Listed& listed : all) {
    record::ContainerRecord container;
    if (!listed.payload.ok() || !container.ParseFromString(*listed.payload)) {
      continue;
    }
    diff_ids.insert(container.layer_diff_ids().begin(),
                    container.layer_diff_ids().end());
  }
  return diff_ids;
}

absl::StatusOr<std::unique_ptr<image::ImageStore>> OpenImages(
    const core::Paths& paths, const state::RecordStore& containers) {
  ASSIGN_OR_RETURN(std::set<std::string> in_use, LayersOf(containers));
  ASSIGN_OR_RETURN(UniqueFd directory, sys::OpenAt(AT_FDCWD, paths.Images(),
                                                   O_RDONLY | O_DIRECTORY));
  std::vector<absl::Status> problems;
  ASSIGN_OR_RETURN(std::unique_ptr<image::ImageStore> images,
                   image::ImageStore::Open(
                       directory.get(),
                       [&in_use](const image::Digest& diff_id) {
                         return in_use.contains(diff_id.ToString());
                       },
                       &problems));
  for (const absl::Status& problem : problems) {
    LOG(WARNING) << "image store: removed what is damaged: " << problem;
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
