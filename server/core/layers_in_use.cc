#include "server/core/layers_in_use.h"

#include <algorithm>

namespace gantry::core {
namespace {

bool Contains(const google::protobuf::RepeatedPtrField<std::string>& names,
              const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool UsesLayer(const record::ContainerRecord& container,
               const std::string& lower_dir) {
  const spec::ContainerSpec& spec = container.spec();
  if (Contains(spec.rootfs().lower_dirs(), lower_dir)) return true;
  return std::any_of(spec.mounts().begin(), spec.mounts().end(),
                     [&](const spec::BindMount& mount) {
                       return Contains(mount.image().lower_dirs(), lower_dir);
                     });
}

image::LayerInUse LayersInUse(const ContainerIndex& containers) {
  return [&containers](const std::string& lower_dir) {
    const std::vector<ContainerPtr> all = containers.List();
    return std::any_of(all.begin(), all.end(), [&](const ContainerPtr& one) {
      return UsesLayer(*one, lower_dir);
    });
  };
}

}  // namespace gantry::core
