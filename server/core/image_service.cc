#include "server/core/image_service.h"

#include <fcntl.h>
#include <malloc.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "runtime/base/status.h"
#include "runtime/image/reference.h"
#include "runtime/sys/file.h"
#include "runtime/sys/spare_memory.h"
#include "server/core/layers_in_use.h"
#include "server/work/cancellable_lock.h"
#include "server/work/keyed_lock.h"

namespace gantry::core {
namespace {

using image::ImportedImage;

// Whether the same pull may succeed later, and then use what this one fetched.
bool IsPassing(const absl::Status& error) {
  return absl::IsUnavailable(error) || absl::IsDeadlineExceeded(error) ||
         absl::IsCancelled(error);
}

// What an image has taken goes back to the kernel: there are several heaps
// (M_ARENA_MAX), and the next image may use another one; and code that runs for
// images alone.
work::Task<void> GiveBackMemory(Node& node) {
  co_await work::RunOn(node.blocking_executor, node.executor, [] {
    sys::ForgetIdleCode();
    return malloc_trim(0);
  });
}

}  // namespace

work::Task<void> ImageService::CollectGarbage() {
  absl::Status collected =
      co_await work::RunOn(node_.blocking_executor, node_.executor, [this] {
        return node_.images.CollectGarbage(LayersInUse(node_.containers));
      });
  LOG_IF(ERROR, !collected.ok()) << "remove what no image uses: " << collected;
}

work::Task<absl::StatusOr<std::string>> ImageService::Pull(
    PullRequest request) {
  CO_ASSIGN_OR_RETURN(image::Reference reference,
                      image::ParseReference(request.reference));
  const std::string name = reference.ToString();
  // A second pull of the same reference waits, and finds the work done.
  std::optional<work::KeyedLock::Guard> turn =
      co_await work::AcquireUnlessCancelled(
          node_.name_locks, absl::StrCat("image/", name), node_.executor,
          node_.tasks, request.cancellation);
  if (!turn) co_return absl::CancelledError(absl::StrCat("pull ", name));
  LOG(INFO) << "pulling " << name;
  image::RegistryClient registry(&http_, registry_, request.credentials);
  // Named, for GCC 12 destroys aggregates in a co_await expression twice.
  const PullMeans means = {.images = node_.images,
                           .executor = node_.executor,
                           .blocking_executor = node_.blocking_executor,
                           .layer_executor = layer_executor_,
                           .receive_executor = receive_executor_,
                           .locks = node_.name_locks,
                           .tasks = node_.tasks};
  PullOptions options;
  options.max_parallel_layers = max_parallel_layers_;
  options.image.limits = limits_;
  options.observer = std::move(request.observer);
  options.cancellation = request.cancellation;
  absl::StatusOr<record::ImageRecord> image =
      co_await RunPull(means, registry, reference, std::move(options));
  if (!image.ok() && !IsPassing(image.status())) co_await CollectGarbage();
  co_await GiveBackMemory(node_);
  CO_RETURN_IF_ERROR(image) << "pull " << name;
  LOG(INFO) << "pulled " << name << " as " << image->id();
  co_return image->id();
}

image::ImportOptions ImageService::LoadOptions(
    work::Cancellation cancellation) const {
  image::ImportOptions options;
  options.layer.limits = limits_;
  options.layer.cancelled = [cancellation = std::move(cancellation)] {
    return cancellation.IsCancelled();
  };
  return options;
}

work::Task<absl::StatusOr<std::vector<ImportedImage>>> ImageService::LoadPath(
    std::string path, work::Cancellation cancellation) {
  const image::ImportOptions options = LoadOptions(std::move(cancellation));
  absl::StatusOr<std::vector<ImportedImage>> images = co_await work::RunOn(
      node_.blocking_executor, node_.executor, [this, &path, &options] {
        return image::ImportPath(path, &node_.images, options);
      });
  if (!images.ok()) co_await CollectGarbage();
  co_await GiveBackMemory(node_);
  CO_RETURN_IF_ERROR(images) << "load " << path;
  co_return images;
}

work::Task<absl::StatusOr<std::vector<ImportedImage>>> ImageService::LoadStream(
    UniqueFd stream, work::Cancellation cancellation) {
  const image::ImportOptions options = LoadOptions(std::move(cancellation));
  absl::StatusOr<std::vector<ImportedImage>> images = co_await work::RunOn(
      node_.blocking_executor, node_.executor, [this, &stream, &options] {
        return image::Import(std::move(stream), &node_.images, options);
      });
  if (!images.ok()) co_await CollectGarbage();
  co_await GiveBackMemory(node_);
  CO_RETURN_IF_ERROR(images) << "load an image archive";
  co_return images;
}

absl::StatusOr<record::ImageRecord> ImageService::Get(
    absl::string_view reference) const {
  return node_.images.Resolve(reference);
}

std::vector<record::ImageRecord> ImageService::List() const {
  return node_.images.List();
}

work::Task<absl::Status> ImageService::Remove(std::string reference) {
  image::LayerInUse in_use = LayersInUse(node_.containers);
  absl::Status removed = co_await work::RunOn(
      node_.blocking_executor, node_.executor, [this, &reference, &in_use] {
        return node_.images.Remove(reference, in_use);
      });
  co_return Annotate(removed, absl::StrCat("remove image ", reference));
}

absl::StatusOr<FilesystemUsage> ImageService::ImageUsage() const {
  ASSIGN_OR_RETURN(rootfs::Usage usage, node_.images.Usage());
  return FilesystemUsage{node_.paths.Images(), usage.bytes, usage.inodes};
}

work::Task<absl::StatusOr<FilesystemUsage>> ImageService::ContainerUsage() {
  std::vector<ContainerPtr> containers = node_.containers.List();
  co_return co_await work::RunOn(
      node_.blocking_executor, node_.executor,
      [this, &containers]() -> absl::StatusOr<FilesystemUsage> {
        FilesystemUsage all{node_.paths.ContainerRecords(), 0, 0};
        for (const ContainerPtr& container : containers) {
          if (container->spec().pause()) continue;
          absl::StatusOr<rootfs::Usage> usage =
              node_.snapshotter.UsageOf(container->id());
          // Removed meanwhile.
          if (absl::IsNotFound(usage.status())) continue;
          RETURN_IF_ERROR(usage);
          all.bytes += usage->bytes;
          all.inodes += usage->inodes;
        }
        return all;
      });
}

}  // namespace gantry::core
