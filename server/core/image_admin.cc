#include "server/core/image_admin.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/image/reference.h"
#include "server/core/layers_in_use.h"

namespace gantry::core {
namespace {

using image::ExportedImage;
using record::ImageRecord;

bool HasAny(const google::protobuf::RepeatedPtrField<std::string>& names,
            const std::set<std::string>& wanted) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return wanted.count(name) != 0;
  });
}

// Each image once. One that was named by a tag gets the tags it was named by,
// else all it has.
absl::StatusOr<std::vector<ExportedImage>> ToExport(
    const image::ImageStore& store, const std::vector<std::string>& refs) {
  std::vector<ExportedImage> images;
  for (const std::string& ref : refs) {
    ASSIGN_OR_RETURN(ImageRecord record, store.ResolveAny(ref));
    auto known = std::find_if(images.begin(), images.end(),
                              [&](const ExportedImage& image) {
                                return image.image.id() == record.id();
                              });
    if (known == images.end()) {
      images.push_back({.image = record});
      known = images.end() - 1;
    }
    const absl::StatusOr<image::Reference> name = image::ParseReference(ref);
    if (!name.ok() || name->digest) continue;
    const auto& tags = record.repo_tags();
    if (std::find(tags.begin(), tags.end(), name->Tagged()) != tags.end()) {
      known->names.push_back(name->Tagged());
    }
  }
  return images;
}

}  // namespace

std::multiset<std::string> ImagesInUse(const ContainerIndex& containers) {
  std::multiset<std::string> used;
  for (const ContainerPtr& container : containers.List()) {
    // Each image once per container.
    std::set<std::string> ids;
    if (!container->image_id().empty()) ids.insert(container->image_id());
    for (const spec::BindMount& mount : container->spec().mounts()) {
      if (mount.has_image()) ids.insert(mount.image().image_id());
    }
    used.insert(ids.begin(), ids.end());
  }
  return used;
}

std::vector<ImageRecord> ChooseToPrune(const std::vector<ImageRecord>& images,
                                       const std::multiset<std::string>& used,
                                       const PruneRequest& request) {
  std::vector<ImageRecord> chosen;
  for (const ImageRecord& image : images) {
    if (used.count(image.id()) != 0 || image.pinned() ||
        HasAny(image.repo_tags(), request.pinned) ||
        HasAny(image.repo_digests(), request.pinned)) {
      continue;
    }
    if (request.dangling_only && !image.repo_tags().empty()) continue;
    chosen.push_back(image);
  }
  return chosen;
}

work::Task<absl::Status> ImageAdmin::Save(SaveRequest request,
                                          image::ByteSink sink) {
  CO_ASSIGN_OR_RETURN(std::vector<ExportedImage> images,
                      ToExport(node_.images, request.images));
  co_return co_await work::RunOn(node_.blocking_executor, node_.executor,
                                 [this, &images, &request, &sink] {
                                   return image::Export(&node_.images, images,
                                                        request.format, sink);
                                 });
}

work::Task<absl::Status> ImageAdmin::Tag(std::string image, std::string name) {
  co_return co_await work::RunOn(
      node_.blocking_executor, node_.executor,
      [this, &image, &name]() -> absl::Status {
        ASSIGN_OR_RETURN(ImageRecord record, node_.images.Resolve(image));
        return node_.images.AddTag(record.id(), name);
      });
}

work::Task<absl::StatusOr<bool>> ImageAdmin::Untag(std::string name) {
  co_return co_await work::RunOn(
      node_.blocking_executor, node_.executor,
      [this, &name] { return node_.images.RemoveTag(name); });
}

absl::StatusOr<NodeImageUsage> ImageAdmin::UsageNow() {
  NodeImageUsage usage;
  const std::multiset<std::string> used = ImagesInUse(node_.containers);
  for (image::ImageSpace& space : image::SpaceOfImages(node_.images)) {
    const std::string id = space.image.id();
    usage.images.push_back({.space = std::move(space),
                            .containers = static_cast<int>(used.count(id)),
                            .complete = node_.images.Completeness(id)});
  }
  for (const ContainerPtr& container : node_.containers.List()) {
    if (container->spec().pause()) continue;
    absl::StatusOr<rootfs::Usage> of =
        node_.snapshotter.UsageOf(container->id());
    // Removed meanwhile.
    if (absl::IsNotFound(of.status())) continue;
    RETURN_IF_ERROR(of);
    usage.containers.push_back({.container = container, .usage = *of});
  }
  ASSIGN_OR_RETURN(usage.store, node_.images.Usage());
  return usage;
}

work::Task<absl::StatusOr<NodeImageUsage>> ImageAdmin::Usage() {
  co_return co_await work::RunOn(node_.blocking_executor, node_.executor,
                                 [this] { return UsageNow(); });
}

absl::StatusOr<Pruned> ImageAdmin::PruneNow(const PruneRequest& request) {
  const image::LayerInUse in_use = LayersInUse(node_.containers);
  Pruned pruned;
  pruned.images = ChooseToPrune(node_.images.List(),
                                ImagesInUse(node_.containers), request);
  std::set<std::string> ids;
  for (const ImageRecord& image : pruned.images) ids.insert(image.id());
  pruned.freed_bytes = image::SpaceWithout(node_.images, ids, in_use);
  if (request.dry_run) return pruned;
  for (const std::string& id : ids) {
    RETURN_IF_ERROR(node_.images.Remove(id, in_use)) << "remove image " << id;
    LOG(INFO) << "pruned image " << id;
  }
  // Also without an image to remove there may be garbage.
  RETURN_IF_ERROR(node_.images.CollectGarbage(in_use));
  return pruned;
}

work::Task<absl::StatusOr<Pruned>> ImageAdmin::Prune(PruneRequest request) {
  co_return co_await work::RunOn(
      node_.blocking_executor, node_.executor,
      [this, &request] { return PruneNow(request); });
}

work::Task<absl::StatusOr<image::FsckResult>> ImageAdmin::Verify(
    bool repair, std::function<absl::Status(const image::FsckFinding&)> found,
    work::Cancellation cancellation) {
  co_return co_await work::RunOn(node_.blocking_executor, node_.executor,
                                 [this, repair, &found, &cancellation] {
                                   return image::Fsck(
                                       &node_.images,
                                       {.repair = repair,
                                        .in_use = LayersInUse(node_.containers),
                                        .found = found,
                                        .cancelled = [&cancellation] {
                                          return cancellation.IsCancelled();
                                        }});
                                 });
}

}  // namespace gantry::core
