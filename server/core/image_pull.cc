#include "server/core/image_pull.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/status.h"
#include "server/work/cancellable_lock.h"
#include "server/work/when_all.h"

namespace gantry::core {
namespace {

// So much of the blobs is worth a sync ahead. Less would be many small ones.
constexpr int64_t kSyncAheadBytes = int64_t{8} << 20;

// One pull under way. Its lanes take the next layer each, until there is none
// or one of them failed.
class LayerPull {
 public:
  LayerPull(PullMeans means, PullOptions options)
      : means_(means), options_(std::move(options)) {}

  work::Task<absl::StatusOr<record::ImageRecord>> Run(
      image::RegistryClient& registry, const image::Reference& reference);

 private:
  work::Task<absl::Status> Resolve(image::RegistryClient& registry,
                                   const image::Reference& reference);
  work::Task<void> Lane();
  work::Task<absl::Status> Fetch(size_t i);
  void Tell(size_t i, LayerPhase phase, int64_t done) const;
  // Has what came in written to the disk from time to time, while more comes.
  void NoteReceived(int64_t bytes);
  void SyncAhead();
  // Ends the other layers; the first failure is the pull's.
  void Fail(const absl::Status& status);
  absl::Status failure() const {
    absl::MutexLock lock(&mutex_);
    return failure_;
  }

  const PullMeans means_;
  PullOptions options_;
  // Cancelled with the pull itself, and when a layer fails.
  work::Cancellation stop_;
  std::unique_ptr<image::Pull> pull_;
  // Large layers first, so that none of them is left to run alone at the end.
  std::vector<size_t> order_;
  std::atomic<size_t> next_ = 0;
  // Bytes of blobs since the last sync ahead, of which there is one at a time.
  std::atomic<int64_t> unsynced_ = 0;
  const std::shared_ptr<std::atomic<bool>> syncing_ =
      std::make_shared<std::atomic<bool>>(false);
  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

void LayerPull::Tell(size_t i, LayerPhase phase, int64_t done) const {
  if (!options_.observer) return;
  const image::Descriptor& blob = pull_->layers()[i].blob;
  options_.observer({.index = i,
                     .count = pull_->layers().size(),
                     .blob = blob.digest,
                     .phase = phase,
                     .done = done,
                     .total = blob.size});
}

void LayerPull::NoteReceived(int64_t bytes) {
  unsynced_ += bytes;
  if (unsynced_ >= kSyncAheadBytes) SyncAhead();
}

void LayerPull::SyncAhead() {
  if (syncing_->exchange(true)) return;
  unsynced_ = 0;
  // The pull may end before it does.
  means_.receive_executor.Post([&images = means_.images, syncing = syncing_] {
    images.SyncAhead();
    *syncing = false;
  });
}

void LayerPull::Fail(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (failure_.ok()) failure_ = status;
  }
  stop_.Cancel();
}

work::Task<absl::Status> LayerPull::Resolve(image::RegistryClient& registry,
                                            const image::Reference& reference) {
  options_.image.cancelled = [stop = stop_] { return stop.IsCancelled(); };
  options_.image.run_aside = [this](std::function<void()> work) {
    means_.layer_executor.Post(std::move(work));
  };
  options_.image.receive_aside = [this](std::function<void()> work) {
    means_.receive_executor.Post(std::move(work));
  };
  options_.image.layers_at_once = std::max(options_.max_parallel_layers, 1);
  // What is left to sync, while the files are counted.
  options_.image.written = [this] { SyncAhead(); };
  image::Puller puller(&registry, &means_.images, options_.image);
  auto pull = co_await work::RunOn(
      means_.blocking_executor, means_.executor,
      [&puller, &reference] { return puller.Resolve(reference); });
  CO_ASSIGN_OR_RETURN(pull_, std::move(pull));
  const std::vector<image::PullLayer>& layers = pull_->layers();
  order_.resize(layers.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
    return layers[a].blob.size > layers[b].blob.size;
  });
  for (size_t i = 0; i < layers.size(); ++i) {
    Tell(i, layers[i].present ? LayerPhase::kPresent : LayerPhase::kWaiting, 0);
  }
  co_return absl::OkStatus();
}

work::Task<absl::Status> LayerPull::Fetch(size_t i) {
  const image::PullLayer& layer = pull_->layers()[i];
  std::optional<work::KeyedLock::Guard> turn =
      co_await work::AcquireUnlessCancelled(
          means_.locks, absl::StrCat("layer/", layer.diff_id.ToString()),
          means_.executor, means_.tasks, stop_);
  if (!turn) co_return absl::CancelledError("cancelled");
  bool fetched = false;
  absl::Status status = co_await work::RunOn(
      means_.blocking_executor, means_.executor, [this, i, &fetched] {
        int64_t before = 0;
        return pull_->FetchLayer(i, [&, this, i](int64_t bytes) {
          fetched = true;
          // Fetched anew, it begins anew.
          NoteReceived(bytes > before ? bytes - before : bytes);
          before = bytes;
          Tell(i, LayerPhase::kPulling, bytes);
        });
      });
  CO_RETURN_IF_ERROR(status);
  // Another pull, or another layer of this image, had it.
  Tell(i, fetched ? LayerPhase::kDone : LayerPhase::kPresent,
       fetched ? layer.blob.size : 0);
  co_return absl::OkStatus();
}

work::Task<void> LayerPull::Lane() {
  while (!stop_.IsCancelled()) {
    const size_t place = next_++;
    if (place >= order_.size()) co_return;
    const size_t i = order_[place];
    if (pull_->layers()[i].present) continue;
    absl::Status status = co_await Fetch(i);
    if (!status.ok()) {
      Fail(Annotate(status, absl::StrCat("layer ", i + 1, " of ",
                                         pull_->layers().size())));
    }
  }
}

work::Task<absl::StatusOr<record::ImageRecord>> LayerPull::Run(
    image::RegistryClient& registry, const image::Reference& reference) {
  // Shared, for the watch's callback may outlive this frame by a moment.
  work::Cancellation::Watch watch =
      options_.cancellation.OnCancel([stop = stop_] { stop.Cancel(); });
  absl::Status resolved = co_await Resolve(registry, reference);
  CO_RETURN_IF_ERROR(resolved);
  std::vector<work::Task<void>> lanes;
  const size_t count = std::min<size_t>(
      std::max(options_.max_parallel_layers, 1), order_.size());
  for (size_t i = 0; i < count; ++i) lanes.push_back(Lane());
  co_await work::WhenAll(means_.executor, std::move(lanes));
  CO_RETURN_IF_ERROR(failure());
  if (stop_.IsCancelled()) co_return absl::CancelledError("cancelled");
  auto image = co_await work::RunOn(means_.blocking_executor, means_.executor,
                                    [this] { return pull_->Commit(); });
  co_return image;
}

}  // namespace

work::Task<absl::StatusOr<record::ImageRecord>> RunPull(
    PullMeans means, image::RegistryClient& registry,
    image::Reference reference, PullOptions options) {
  LayerPull pull(means, std::move(options));
  co_return co_await pull.Run(registry, reference);
}

}  // namespace gantry::core
