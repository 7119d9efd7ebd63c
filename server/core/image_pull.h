// Runs a pull: resolves the reference, fetches and unpacks the layers side by
// side, writes the image's record.
//
// Layers that another pull is fetching, of whatever reference, are waited for
// and not fetched twice; should that pull fail, this one fetches them. The
// first layer that fails ends the others, and its error names it. A cancelled
// pull ends in CANCELLED within a second; layers it has finished are found by
// the next one.
// Thread safety: pulls may run at once. No thread is held while waiting for
// another pull.

#ifndef GANTRY_SERVER_CORE_IMAGE_PULL_H_
#define GANTRY_SERVER_CORE_IMAGE_PULL_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "proto/image_record.pb.h"
#include "runtime/image/digest.h"
#include "runtime/image/image_store.h"
#include "runtime/image/puller.h"
#include "runtime/image/reference.h"
#include "runtime/image/registry_client.h"
#include "server/work/cancellation.h"
#include "server/work/executor.h"
#include "server/work/keyed_lock.h"
#include "server/work/task.h"
#include "server/work/task_scope.h"

namespace gantry::core {

enum class LayerPhase {
  kWaiting,  // for its turn, or for another pull that fetches it
  kPulling,  // fetched, verified and unpacked, all in one pass
  kDone,     // unpacked and verified
  kPresent,  // was there already
};

// How far one layer of a pull is.
struct LayerState {
  size_t index = 0;  // from 0, bottom first
  size_t count = 0;  // of the image's layers
  image::Digest blob;
  LayerPhase phase = LayerPhase::kWaiting;
  int64_t done = 0;   // bytes of the blob
  int64_t total = 0;  // as the manifest says
};

// Called once for each layer when the manifest is known, then for each chunk
// that came in and each change of phase. Calls for one layer come one after
// the other, those for different layers may come at once, from any thread.
// Must be quick: it holds the layer up.
using PullObserver = std::function<void(const LayerState&)>;

struct PullOptions {
  // Of one pull.
  int max_parallel_layers = 3;
  image::PullOptions image;
  PullObserver observer;  // may be null
  work::Cancellation cancellation;
};

// What a pull stands on; all must outlive it.
struct PullMeans {
  image::ImageStore& images;
  // Short steps, and what blocks.
  work::Executor& executor;
  work::Executor& blocking_executor;
  // A second thread for each layer; has as many as blocking_executor, so that
  // none of that one's waits for nothing.
  work::Executor& layer_executor;
  // For the parallel ranges of large layers and for syncs ahead; both do
  // without.
  work::Executor& receive_executor;
  // "layer/DIFFID" is held while a layer is fetched.
  work::KeyedLock& locks;
  work::TaskScope& tasks;
};

// `registry` must outlive the task.
work::Task<absl::StatusOr<record::ImageRecord>> RunPull(
    PullMeans means, image::RegistryClient& registry,
    image::Reference reference, PullOptions options);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_IMAGE_PULL_H_
