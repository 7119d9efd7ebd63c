// What is told of a pull under way, and when: the newest state of each layer
// that has changed, at a bounded rate, however many chunks come in.
//
// Thread safety: none; the owner serialises. Nothing blocks.

#ifndef GANTRY_SERVER_CRI_PULL_PROGRESS_H_
#define GANTRY_SERVER_CRI_PULL_PROGRESS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>

#include "absl/time/time.h"
#include "proto/admin.pb.h"
#include "server/core/image_pull.h"

namespace gantry::cri {

class PullProgressTable {
 public:
  static constexpr absl::Duration kPause = absl::Milliseconds(100);

  void Update(const core::LayerState& state);

  // The next message, if one is due: at once after a change of a phase, else
  // `kPause` after the one before. `last`: whatever has not been told.
  std::optional<admin::v1::PullProgress> Take(absl::Time now, bool last);

 private:
  std::map<size_t, core::LayerState> layers_;
  std::set<size_t> changed_;
  bool phase_changed_ = false;
  absl::Time told_ = absl::InfinitePast();
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_PULL_PROGRESS_H_
