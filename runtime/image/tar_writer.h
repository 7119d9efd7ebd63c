// Writes a tar (ustar; pax headers for what that cannot say) of regular files:
// root's, 0644, without times, so that the same content is the same archive.
//
// Over libarchive. Thread safety: none. Blocks as the sink does.

#ifndef GANTRY_RUNTIME_IMAGE_TAR_WRITER_H_
#define GANTRY_RUNTIME_IMAGE_TAR_WRITER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry::image {

// Takes bytes as they come; its error ends the writing.
using ByteSink = std::function<absl::Status(absl::string_view bytes)>;

class TarWriter {
 public:
  explicit TarWriter(ByteSink sink);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  absl::Status AddFile(const std::string& name, absl::string_view content);
  // The file's `size` bytes follow, in pieces, then EndFile: DATA_LOSS if they
  // were fewer or more.
  absl::Status BeginFile(const std::string& name, int64_t size);
  absl::Status Write(absl::string_view piece);
  absl::Status EndFile();
  // The archive's end; nothing may follow.
  absl::Status Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TAR_WRITER_H_
