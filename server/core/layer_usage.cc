#include "server/core/layer_usage.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "runtime/base/status.h"
#include "server/work/executor.h"

namespace gantry::core {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Older ones are not told any more.
constexpr int64_t kOldest = 60 * kSecond;

}  // namespace

int64_t FreshFor(int64_t took) {
  return std::clamp(100 * took, kSecond, 300 * kSecond);
}

work::Task<absl::StatusOr<MeasuredLayer>> LayerUsage::Of(std::string id) {
  const int64_t now = node_.clock.BootNanos();
  bool renew = false;
  std::optional<MeasuredLayer> known;
  {
    absl::MutexLock lock(&mutex_);
    auto entry = layers_.find(id);
    if (entry != layers_.end()) {
      Known& layer = entry->second;
      const int64_t age = now - layer.measured_at;
      const int64_t fresh = FreshFor(layer.took);
      if (age < std::max(fresh, kOldest)) known = layer.measured;
      renew = age >= fresh && !layer.walking;
      if (renew && known.has_value()) layer.walking = true;
    }
  }
  if (!known.has_value()) co_return co_await Walk(std::move(id));
  if (renew) node_.tasks.Start(Renew(std::move(id)));
  co_return *known;
}

work::Task<absl::StatusOr<MeasuredLayer>> LayerUsage::Walk(std::string id) {
  Known known;
  absl::StatusOr<rootfs::Usage> usage = co_await work::RunOn(
      node_.blocking_executor, node_.executor, [this, &id, &known] {
        const int64_t begin = node_.clock.BootNanos();
        absl::StatusOr<rootfs::Usage> found = node_.snapshotter.UsageOf(id);
        known.measured_at = node_.clock.BootNanos();
        known.took = known.measured_at - begin;
        return found;
      });
  if (!usage.ok()) {
    Forget(id);
    co_return usage.status();
  }
  known.measured = {node_.clock.UnixNanos(), *usage};
  // One that was removed meanwhile has been forgotten already.
  if (node_.containers.Get(id).ok()) {
    absl::MutexLock lock(&mutex_);
    layers_[id] = known;
  }
  co_return known.measured;
}

work::Task<void> LayerUsage::Renew(std::string id) {
  // Not on the thread of whoever asked.
  co_await node_.executor.Schedule();
  // What goes wrong is told to those who ask next.
  (void)co_await Walk(std::move(id));
}

void LayerUsage::Forget(absl::string_view id) {
  absl::MutexLock lock(&mutex_);
  layers_.erase(id);
}

}  // namespace gantry::core
