// The files of an image archive by name, be it a directory or a tar that is
// spooled first.
//
// Ownership: sources keep what they read open. Thread safety: Open is
// thread-safe. Blocks on the disk. Names and links are untrusted: nothing
// outside the archive is ever opened, and only regular files are.

#ifndef GANTRY_RUNTIME_IMAGE_ARCHIVE_FILES_H_
#define GANTRY_RUNTIME_IMAGE_ARCHIVE_FILES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/content_store.h"

namespace gantry::image {

class ArchiveFiles {
 public:
  virtual ~ArchiveFiles() = default;
  // NOT_FOUND if there is no such file.
  virtual absl::StatusOr<std::unique_ptr<ByteSource>> Open(
      absl::string_view name) const = 0;

  absl::StatusOr<std::string> Read(absl::string_view name,
                                   size_t max_bytes) const;
  bool Has(absl::string_view name) const { return Open(name).ok(); }
};

std::unique_ptr<ArchiveFiles> FilesOfDirectory(UniqueFd dir);

// Reads the tar (plain, gzip or zstd) to its end into scratch space of
// `content`, which goes away with the result.
absl::StatusOr<std::unique_ptr<ArchiveFiles>> FilesOfTar(
    UniqueFd tar, ContentStore* content, int64_t max_bytes,
    const std::function<bool()>& cancelled);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_ARCHIVE_FILES_H_
