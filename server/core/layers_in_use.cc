#include "server/core/layers_in_use.h"

#include <memory>
#include <set>
#include <string>
#include <utility>

namespace gantry::core {

image::LayerInUse LayersInUse(const ContainerIndex& containers) {
  auto diff_ids = std::make_shared<std::set<std::string>>();
  for (const ContainerPtr& container : containers.List()) {
    diff_ids->insert(container->layer_diff_ids().begin(),
                     container->layer_diff_ids().end());
  }
  return [diff_ids = std::move(diff_ids)](const image::Digest& diff_id) {
    return diff_ids->contains(diff_id.ToString());
  };
}

}  // namespace gantry::core
