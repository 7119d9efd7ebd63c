#include "server/core/layers_in_use.h"

#include <algorithm>
#include <string>

namespace gantry::core {

image::LayerInUse LayersInUse(const ContainerIndex& containers) {
  return [&containers](const image::Digest& diff_id) {
    const std::string wanted = diff_id.ToString();
    for (const ContainerPtr& container : containers.List()) {
      const auto& layers = container->layer_diff_ids();
      if (std::find(layers.begin(), layers.end(), wanted) != layers.end()) {
        return true;
      }
    }
    return false;
  };
}

}  // namespace gantry::core
