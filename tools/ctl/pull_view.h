// How a pull under way is shown: bars that are drawn over each other on a
// terminal, or a line for each change of a layer elsewhere.
//
// Pure; nothing blocks. Thread safety: none.

#ifndef GANTRY_TOOLS_CTL_PULL_VIEW_H_
#define GANTRY_TOOLS_CTL_PULL_VIEW_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/admin.pb.h"

namespace gantry::ctl {

class PullView {
 public:
  void Update(const admin::v1::PullProgress& progress);

  // At most `lines` lines of at most `columns` characters. If there are more
  // layers, those being pulled come first, and the last line counts the rest.
  std::vector<std::string> Bars(int columns, int lines) const;

  // What has not been told yet: each layer when it begins and when it is there.
  std::vector<std::string> TakeLines();

 private:
  std::string Bar(const admin::v1::LayerProgress& layer, int columns) const;

  std::map<uint32_t, admin::v1::LayerProgress> layers_;
  std::vector<std::string> untold_;
};

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_PULL_VIEW_H_
