// Images: pulled, loaded, listed, removed.
//
// Pull and Load run on the blocking executor; the rest is quick.
// Two pulls of one reference share the work. An image that containers use can
// be removed: its names go at once, its layers with the last container.
// Thread safety: all methods from any thread.

#ifndef GANTRY_SERVER_CORE_IMAGE_SERVICE_H_
#define GANTRY_SERVER_CORE_IMAGE_SERVICE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/image_record.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/http/client.h"
#include "runtime/image/importer.h"
#include "runtime/image/registry_client.h"
#include "runtime/image/unpacker.h"
#include "server/core/image_pull.h"
#include "server/core/node.h"
#include "server/work/cancellation.h"
#include "server/work/executor.h"
#include "server/work/task.h"

namespace gantry::core {

struct PullRequest {
  std::string reference;
  // Never logged.
  image::Credentials credentials;
  PullObserver observer = nullptr;
  work::Cancellation cancellation = {};
};

struct FilesystemUsage {
  // A directory on the file system.
  std::string mount_point;
  int64_t bytes = 0;
  int64_t inodes = 0;
};

class ImageService {
 public:
  // All must outlive this. `registry_options` tells which registries may be
  // spoken to without TLS, and the like; `limits` are each layer's;
  // `max_parallel_layers` is of one pull; `threads` is how many the node's
  // blocking executor has.
  ImageService(Node& node, http::Client& http,
               image::RegistryOptions registry_options,
               const image::UnpackLimits& limits, int max_parallel_layers,
               int threads)
      : node_(node),
        http_(http),
        registry_(std::move(registry_options)),
        limits_(limits),
        max_parallel_layers_(max_parallel_layers),
        layer_executor_("layers", threads),
        receive_executor_("receive",
                          max_parallel_layers * registry_.parallel_ranges) {}

  // The id of the image the reference names now. CANCELLED if the request is.
  work::Task<absl::StatusOr<std::string>> Pull(PullRequest request);

  // From a path of this host, or from a stream (a pipe will do). CANCELLED if
  // `cancellation` is; images that were whole by then stay.
  work::Task<absl::StatusOr<std::vector<image::ImportedImage>>> LoadPath(
      std::string path, work::Cancellation cancellation);
  work::Task<absl::StatusOr<std::vector<image::ImportedImage>>> LoadStream(
      UniqueFd stream, work::Cancellation cancellation);

  absl::StatusOr<record::ImageRecord> Get(absl::string_view reference) const;
  std::vector<record::ImageRecord> List() const;

  // Unknown is OK.
  work::Task<absl::Status> Remove(std::string reference);

  absl::StatusOr<FilesystemUsage> ImageUsage() const;
  // Of all writable layers together.
  work::Task<absl::StatusOr<FilesystemUsage>> ContainerUsage();

 private:
  image::ImportOptions LoadOptions(work::Cancellation cancellation) const;
  // What a refused image has left goes; a failure is logged.
  work::Task<void> CollectGarbage();

  Node& node_;
  http::Client& http_;
  const image::RegistryOptions registry_;
  const image::UnpackLimits limits_;
  const int max_parallel_layers_;
  // Receives and inflates what a thread of the blocking executor unpacks.
  work::Executor layer_executor_;
  // Receives ranges of large layers: as many threads as one pull can use.
  work::Executor receive_executor_;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_IMAGE_SERVICE_H_
