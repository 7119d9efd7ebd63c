// Containers as CRI tells them, with the names of their images, each of which
// is looked up once.
//
// Thread safety: one owner; make one per call. Nothing blocks.

#ifndef GANTRY_SERVER_CRI_CONTAINER_TRANSLATOR_H_
#define GANTRY_SERVER_CRI_CONTAINER_TRANSLATOR_H_

#include <map>
#include <string>

#include "proto/cri/v1/api.pb.h"
#include "proto/record.pb.h"
#include "server/core/image_service.h"
#include "server/cri/translate_container.h"
#include "server/cri/translate_image.h"

namespace gantry::cri {

class ContainerTranslator {
 public:
  // `images` must outlive this.
  explicit ContainerTranslator(const core::ImageService& images)
      : images_(images) {}

  // For lists.
  runtime::v1::Container Listed(const record::ContainerRecord& container) {
    return ContainerToCri(container, ImageRef(container));
  }

  runtime::v1::ContainerStatus Status(
      const record::ContainerRecord& container) {
    // Of a record that holds none all but image and mounts is told.
    runtime::v1::ContainerConfig config;
    config.ParseFromString(container.cri_config());
    return ContainerStatusToCri(container, config, ImageRef(container));
  }

 private:
  // An image that was removed under its containers is known by its id alone.
  const std::string& ImageRef(const record::ContainerRecord& container) {
    const std::string& id = container.image_id();
    auto [entry, is_new] = image_refs_.try_emplace(id, id);
    if (is_new) {
      absl::StatusOr<record::ImageRecord> image = images_.Get(id);
      if (image.ok()) entry->second = ImageRefOf(*image);
    }
    return entry->second;
  }

  const core::ImageService& images_;
  std::map<std::string, std::string> image_refs_;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_CONTAINER_TRANSLATOR_H_
