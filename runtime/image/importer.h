// Loads images from files: an OCI image layout (a directory, or a tar of one;
// OCI image-spec image-layout.md) or a docker-archive ("docker save").
//
// The file is untrusted. A tar is spooled into the store's scratch space first
// (its members come in any order) and that goes away with the import.
// Thread safety: as ImageStore. Blocks; long.

#ifndef GANTRY_RUNTIME_IMAGE_IMPORTER_H_
#define GANTRY_RUNTIME_IMAGE_IMPORTER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/archive_files.h"
#include "runtime/image/assemble.h"
#include "runtime/image/image_store.h"
#include "runtime/image/manifest.h"

namespace gantry::image {

struct ImportOptions {
  Platform platform = HostPlatform();
  // The repository of images whose archive names only a tag, e.g.
  // "docker.io/library/app"; empty: such images stay without a name.
  std::string base_name;
  // Of the archive as a whole.
  int64_t max_archive_bytes = int64_t{64} << 30;
  StoreLayerOptions layer;
};

struct ImportedImage {
  std::string id;
  std::vector<std::string> names;  // the tags it was given
};

// `fd` is the directory, or the tar (plain, gzip or zstd; a pipe will do),
// read from where it stands. CANCELLED within a chunk or an entry once
// options.layer.cancelled says so: the image under way is not stored, those
// before it are. INVALID_ARGUMENT if it is neither an OCI layout
// nor a docker-archive, NOT_FOUND if no image in it fits the platform.
absl::StatusOr<std::vector<ImportedImage>> Import(UniqueFd fd,
                                                  ImageStore* store,
                                                  const ImportOptions& options);

// The same for files that are open already.
absl::StatusOr<std::vector<ImportedImage>> ImportFiles(
    const ArchiveFiles& files, ImageStore* store, const ImportOptions& options);

// The same for a path of the host; INVALID_ARGUMENT if that is neither a file
// nor a directory.
absl::StatusOr<std::vector<ImportedImage>> ImportPath(
    absl::string_view path, ImageStore* store, const ImportOptions& options);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_IMPORTER_H_
