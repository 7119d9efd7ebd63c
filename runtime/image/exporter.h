// Writes images to an archive, blob for blob as they came: an OCI image layout
// in a tar (OCI image-spec image-layout.md) or a docker-archive ("docker
// save": manifest.json and the files it names). The layers stay compressed as
// they are, which readers of both forms know.
//
// An OCI layout names the platform's manifest, not the index that it may have
// been pulled by: of that the other platforms are not here.
// Thread safety: as ImageStore. Blocks as the sink does; long.

#ifndef GANTRY_RUNTIME_IMAGE_EXPORTER_H_
#define GANTRY_RUNTIME_IMAGE_EXPORTER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/image_record.pb.h"
#include "runtime/image/image_store.h"
#include "runtime/image/tar_writer.h"

namespace gantry::image {

enum class ArchiveFormat { kOciLayout, kDockerArchive };

struct ExportedImage {
  record::ImageRecord image;
  // The tags to write; empty: all that the image has.
  std::vector<std::string> names;
};

// FAILED_PRECONDITION before the first byte if a blob of an image was not kept
// or is lost, with the image and the reason; DATA_LOSS in the midst if one
// turns out to be damaged. Blobs are held until the end.
absl::Status Export(ImageStore* store, const std::vector<ExportedImage>& images,
                    ArchiveFormat format, const ByteSink& sink);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_EXPORTER_H_
