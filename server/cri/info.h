// The verbose `info` of statuses: what this runtime knows beyond CRI, as JSON.
//
// Pure functions.

#ifndef GANTRY_SERVER_CRI_INFO_H_
#define GANTRY_SERVER_CRI_INFO_H_

#include <string>
#include <vector>

#include "proto/cri/v1/api.pb.h"
#include "proto/image_record.pb.h"
#include "proto/record.pb.h"

namespace gantry::cri {

// Where an image's layers are, and one container that has them mounted.
struct ImageDirectories {
  // Absolute, topmost first.
  std::vector<std::string> lower;
  std::vector<const record::ContainerRecord*> containers;
};

std::string PodInfo(const record::PodRecord& pod,
                    const runtime::v1::PodSandboxConfig& config);
std::string ContainerInfo(const record::ContainerRecord& container,
                          const runtime::v1::ContainerConfig& config);
std::string ImageInfo(const record::ImageRecord& image,
                      const ImageDirectories& directories);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_INFO_H_
