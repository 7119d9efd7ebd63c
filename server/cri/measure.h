// Measures many objects at once: for the RPCs that tell what each of a list of
// pods or containers uses.
//
// An object that cannot be measured is left out: it may be gone by now.

#ifndef GANTRY_SERVER_CRI_MEASURE_H_
#define GANTRY_SERVER_CRI_MEASURE_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/cri/item_stream.h"
#include "server/cri/services.h"
#include "server/work/task.h"
#include "server/work/when_all.h"

namespace gantry::cri {

// Measures one object, a pod or a container.
template <typename Item, typename Ptr>
using Measure = work::Task<std::optional<Item>> (*)(Services& services,
                                                    Ptr object);

namespace internal {

// As many as the executor has threads by default: more would only wait.
inline constexpr size_t kMeasurers = 4;

// Every kMeasurers-th object from `first` on; both vectors outlive the task.
template <typename Item, typename Ptr>
work::Task<void> MeasureShare(Services& services, Measure<Item, Ptr> measure,
                              size_t first, const std::vector<Ptr>& objects,
                              std::vector<std::optional<Item>>& measured) {
  for (size_t i = first; i < objects.size(); i += kMeasurers) {
    measured[i] = co_await measure(services, objects[i]);
  }
}

}  // namespace internal

// In the order of `objects`.
template <typename Item, typename Ptr>
work::Task<std::vector<Item>> MeasureAll(Services& services,
                                         Measure<Item, Ptr> measure,
                                         std::vector<Ptr> objects) {
  std::vector<std::optional<Item>> measured(objects.size());
  std::vector<work::Task<void>> shares;
  const size_t count = std::min(objects.size(), internal::kMeasurers);
  for (size_t i = 0; i < count; ++i) {
    shares.push_back(internal::MeasureShare<Item, Ptr>(services, measure, i,
                                                       objects, measured));
  }
  co_await work::WhenAll(services.node.executor, std::move(shares));
  std::vector<Item> items;
  items.reserve(measured.size());
  for (std::optional<Item>& item : measured) {
    if (item.has_value()) items.push_back(*std::move(item));
  }
  co_return items;
}

// A list for an ItemStream: objects are measured shortly before they are sent.
template <typename Item, typename Ptr>
class MeasuredItems final : public ItemSource<Item> {
 public:
  MeasuredItems(Services& services, Measure<Item, Ptr> measure,
                std::vector<Ptr> objects)
      : services_(services), measure_(measure), objects_(std::move(objects)) {}

  bool AtEnd() const override { return next_ == objects_.size(); }

  work::Task<void> Next(std::deque<Item>& items) override {
    const size_t end = std::min(objects_.size(), next_ + kAtOnce);
    std::vector<Ptr> some(objects_.begin() + next_, objects_.begin() + end);
    next_ = end;
    std::vector<Item> measured =
        co_await MeasureAll<Item, Ptr>(services_, measure_, std::move(some));
    std::move(measured.begin(), measured.end(), std::back_inserter(items));
  }

 private:
  static constexpr size_t kAtOnce = 32;

  Services& services_;
  const Measure<Item, Ptr> measure_;
  const std::vector<Ptr> objects_;
  size_t next_ = 0;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_MEASURE_H_
