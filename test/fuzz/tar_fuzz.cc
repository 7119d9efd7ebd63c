// Layers as a registry may send them: the tar reader over the decompressor, in
// pieces of the length that the first byte says, and the names it gives.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/decompress.h"
#include "runtime/image/layer_path.h"
#include "runtime/image/tar_reader.h"

namespace gantry::image {
namespace {

constexpr int64_t kMaxPlainBytes = int64_t{1} << 20;

void Check(bool holds) {
  if (!holds) std::abort();
}

// Whatever a name was, its parts lead nowhere else.
void CheckName(const std::string& name) {
  const absl::StatusOr<LayerPath> path = ParseLayerPath(name);
  if (!path.ok()) return;
  const std::string whole = absl::StrCat("/", path->dir, "/", path->base, "/");
  Check(!absl::StrContains(whole, "/../") && !absl::StrContains(whole, "/./"));
  Check(!absl::StrContains(path->base, '/'));
  Check(path->base.empty() == (path->kind == LayerPath::Kind::kRoot ||
                               path->kind == LayerPath::Kind::kOpaque ||
                               path->kind == LayerPath::Kind::kIgnored));
}

// Blocks come in order and lie within the file.
absl::Status ReadBlocks(const TarEntry& entry, TarReader& reader,
                        int64_t* told) {
  int64_t at = 0;
  TarBlock block;
  while (true) {
    absl::StatusOr<bool> more = reader.NextBlock(&block);
    if (!more.ok() || !*more) return more.status();
    *told += block.data.size();
    Check(*told <= kMaxPlainBytes);
    if (block.offset < at) return absl::InvalidArgumentError("backwards");
    at = block.offset + block.data.size();
  }
}

void Read(size_t piece, std::string input) {
  StringSource source(std::move(input), piece);
  absl::StatusOr<std::unique_ptr<ByteSource>> plain =
      NewDecompressor(&source, kMaxPlainBytes);
  if (!plain.ok()) return;
  TarReader reader(plain->get());
  TarEntry entry;
  int64_t told = 0;
  while (true) {
    const absl::StatusOr<bool> more = reader.Next(&entry);
    if (!more.ok() || !*more) return;
    Check(!entry.path.empty() && entry.size >= 0);
    CheckName(entry.path);
    if (entry.hard_link) CheckName(entry.link);
    if (S_ISREG(entry.type) && !ReadBlocks(entry, reader, &told).ok()) return;
  }
}

}  // namespace
}  // namespace gantry::image

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  gantry::image::Read(
      data[0] * size_t{16} + 1,
      std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
