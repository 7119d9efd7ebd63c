// Reads a plain tar stream entry by entry: ustar, pax, GNU long names, GNU and
// pax sparse files, xattrs, hard links, times in nanoseconds. Over libarchive's
// tar reader only; nothing is written here and no name is trusted.
//
// Names are bytes: they are handed out as they stand in the archive, whatever
// the locale. What one entry's headers may take is bounded (2 MiB of stream),
// so neither a pax header nor a sparse map allocates without bound.
// Thread safety: none. Blocks as its source does.

#ifndef GANTRY_RUNTIME_IMAGE_TAR_READER_H_
#define GANTRY_RUNTIME_IMAGE_TAR_READER_H_

#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/image/byte_source.h"

namespace gantry::image {

struct TarEntry {
  std::string path;  // as written: may be absolute, hold "..", "./", ...
  mode_t type = 0;   // S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO
  bool hard_link = false;  // then `link` is the path of the target
  std::string link;        // target of a symbolic or hard link
  mode_t mode = 0;         // permission bits, set-id and sticky included
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;  // apparent size of a regular file
  dev_t device = 0;
  timespec mtime = {};
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// Bytes of a regular file at their offset; gaps between blocks are holes.
struct TarBlock {
  int64_t offset = 0;
  absl::string_view data;
};

class TarReader {
 public:
  // Borrows `source`.
  explicit TarReader(ByteSource* source);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  // Moves to the next entry; false at the end of the archive. What was not
  // read of the last entry's data is skipped. INVALID_ARGUMENT if the archive
  // is damaged; an error of the source is passed on as it is.
  absl::StatusOr<bool> Next(TarEntry* entry);

  // The next block of the current entry, valid until the next call; false
  // after the last one.
  absl::StatusOr<bool> NextBlock(TarBlock* block);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TAR_READER_H_
