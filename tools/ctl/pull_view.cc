#include "tools/ctl/pull_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/ctl/format.h"

namespace gantry::ctl {
namespace {

using admin::v1::LayerProgress;

constexpr int kIdColumns = 12;
constexpr int kPhaseColumns = 8;
// "1023.9 MiB / 1023.9 MiB".
constexpr int kSizeColumns = 23;
constexpr int kMostBar = 40;

absl::string_view PhaseName(LayerProgress::Phase phase) {
  switch (phase) {
    case LayerProgress::WAITING:
      return "waiting";
    case LayerProgress::PULLING:
      return "pulling";
    case LayerProgress::DONE:
      return "done";
    case LayerProgress::PRESENT:
      return "present";
    default:
      return "-";
  }
}

// 0 to 1.
double Fraction(const LayerProgress& layer) {
  if (layer.phase() == LayerProgress::DONE ||
      layer.phase() == LayerProgress::PRESENT) {
    return 1;
  }
  if (layer.total() <= 0) return 0;
  return std::clamp(static_cast<double>(layer.done()) / layer.total(), 0., 1.);
}

std::string Sizes(const LayerProgress& layer) {
  const std::string total = HumanSize(std::max<int64_t>(layer.total(), 0));
  if (layer.phase() != LayerProgress::PULLING) return total;
  return absl::StrCat(HumanSize(std::max<int64_t>(layer.done(), 0)), " / ",
                      total);
}

}  // namespace

void PullView::Update(const admin::v1::PullProgress& progress) {
  for (const LayerProgress& layer : progress.layers()) {
    auto [known, is_new] = layers_.try_emplace(layer.index());
    if ((is_new || known->second.phase() != layer.phase()) &&
        layer.phase() != LayerProgress::WAITING) {
      untold_.push_back(absl::StrCat(
          Printable(ShortId(layer.digest())), " ", PhaseName(layer.phase()),
          " (", HumanSize(std::max<int64_t>(layer.total(), 0)), ")"));
    }
    known->second = layer;
  }
}

std::string PullView::Bar(const LayerProgress& layer, int columns) const {
  std::string line = absl::StrFormat("%-*s %-*s", kIdColumns,
                                     Printable(ShortId(layer.digest())),
                                     kPhaseColumns, PhaseName(layer.phase()));
  const int room = columns - static_cast<int>(line.size()) - kSizeColumns - 4;
  if (room >= 8) {
    const int width = std::min(room, kMostBar);
    const int filled = static_cast<int>(Fraction(layer) * width);
    absl::StrAppend(&line, " [", std::string(filled, '='),
                    std::string(width - filled, ' '), "]");
  }
  absl::StrAppend(&line, " ", Sizes(layer));
  line.resize(std::min<size_t>(line.size(), std::max(columns, 0)));
  return line;
}

std::vector<std::string> PullView::Bars(int columns, int lines) const {
  std::vector<const LayerProgress*> order;
  for (const auto& [index, layer] : layers_) order.push_back(&layer);
  const bool fits = static_cast<int>(order.size()) <= lines;
  if (!fits) {
    std::stable_partition(order.begin(), order.end(), [](const auto* layer) {
      return layer->phase() == LayerProgress::PULLING;
    });
    order.resize(std::max(lines - 1, 0));
  }
  std::vector<std::string> bars;
  for (const LayerProgress* layer : order) bars.push_back(Bar(*layer, columns));
  if (fits || lines <= 0) return bars;
  const auto ready = std::count_if(
      layers_.begin(), layers_.end(),
      [](const auto& item) { return Fraction(item.second) == 1; });
  std::string rest =
      absl::StrCat(ready, " of ", layers_.size(), " layers are there");
  rest.resize(std::min<size_t>(rest.size(), std::max(columns, 0)));
  bars.push_back(std::move(rest));
  return bars;
}

std::vector<std::string> PullView::TakeLines() {
  return std::exchange(untold_, {});
}

}  // namespace gantry::ctl
