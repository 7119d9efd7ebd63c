// Images: records and CRI's messages; registry credentials.
//
// Pure functions.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_IMAGE_H_
#define GANTRY_SERVER_CRI_TRANSLATE_IMAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/image_record.pb.h"
#include "server/core/image_service.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

runtime::v1::Image ImageToCri(const record::ImageRecord& image,
                              const HostAbilities& host);

// The image_ref of a container: the image's name with digest where there is
// one, else its id. (PullImageResponse.image_ref is the id.)
std::string ImageRefOf(const record::ImageRecord& image);

// The name in `spec`, a short one with its registry, or INVALID_ARGUMENT naming
// `field`.
absl::StatusOr<std::string> ImageNameFromCri(const runtime::v1::ImageSpec& spec,
                                             const HostAbilities& host,
                                             absl::string_view field);

// Errors never show a secret.
absl::StatusOr<core::PullRequest> PullRequestFromCri(
    const runtime::v1::PullImageRequest& request, const HostAbilities& host);

runtime::v1::FilesystemUsage FilesystemUsageToCri(
    const core::FilesystemUsage& usage, int64_t at);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_IMAGE_H_
