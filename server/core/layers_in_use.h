// Which image layers are lower directories of containers.

#ifndef GANTRY_SERVER_CORE_LAYERS_IN_USE_H_
#define GANTRY_SERVER_CORE_LAYERS_IN_USE_H_

#include <string>

#include "proto/record.pb.h"
#include "runtime/image/image_store.h"
#include "server/core/index.h"

namespace gantry::core {

// Looks at `containers`, which must outlive it, whenever it is asked. A
// container is created under holds on its layers that end after its record is
// in the index, so none is missed.
image::LayerInUse LayersInUse(const ContainerIndex& containers);

// Whether `lower_dir` ("N/fs") is below the container's rootfs or one of its
// mounts.
bool UsesLayer(const record::ContainerRecord& container,
               const std::string& lower_dir);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_LAYERS_IN_USE_H_
