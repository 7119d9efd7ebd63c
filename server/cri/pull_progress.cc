#include "server/cri/pull_progress.h"

namespace gantry::cri {
namespace {

using admin::v1::LayerProgress;

LayerProgress::Phase PhaseToProto(core::LayerPhase phase) {
  switch (phase) {
    case core::LayerPhase::kWaiting:
      return LayerProgress::WAITING;
    case core::LayerPhase::kPulling:
      return LayerProgress::PULLING;
    case core::LayerPhase::kDone:
      return LayerProgress::DONE;
    case core::LayerPhase::kPresent:
      return LayerProgress::PRESENT;
  }
  return LayerProgress::UNKNOWN;
}

}  // namespace

void PullProgressTable::Update(const core::LayerState& state) {
  auto [known, is_new] = layers_.try_emplace(state.index, state);
  if (is_new || known->second.phase != state.phase) phase_changed_ = true;
  known->second = state;
  changed_.insert(state.index);
}

std::optional<admin::v1::PullProgress> PullProgressTable::Take(absl::Time now,
                                                               bool last) {
  if (changed_.empty()) return std::nullopt;
  // The first message has all layers; they are made known one by one.
  if (layers_.size() < layers_.begin()->second.count && !last) {
    return std::nullopt;
  }
  if (!last && !phase_changed_ && now - told_ < kPause) return std::nullopt;
  admin::v1::PullProgress message;
  message.set_layer_count(layers_.begin()->second.count);
  for (size_t index : changed_) {
    const core::LayerState& state = layers_.at(index);
    LayerProgress& layer = *message.add_layers();
    layer.set_index(index);
    layer.set_digest(state.blob.ToString());
    layer.set_phase(PhaseToProto(state.phase));
    layer.set_done(state.done);
    layer.set_total(state.total);
  }
  changed_.clear();
  phase_changed_ = false;
  told_ = now;
  return message;
}

}  // namespace gantry::cri
