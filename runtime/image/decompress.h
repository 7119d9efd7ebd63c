// Inflates a layer stream in this process: gzip (ISA-L; RFC 1952, any number
// of members), zstd (RFC 8878, any number of frames) or plain, told apart by
// their first bytes. No external program is ever run.
//
// Thread safety: none. Memory: one output chunk (1 MiB) plus the decoder's
// window (zstd: at most 128 MiB, bigger windows are refused).

#ifndef GANTRY_RUNTIME_IMAGE_DECOMPRESS_H_
#define GANTRY_RUNTIME_IMAGE_DECOMPRESS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/image/byte_source.h"

namespace gantry::image {

enum class Compression { kNone, kGzip, kZstd };

// UNIMPLEMENTED for the magic of a format that is known but not read (xz,
// bzip2, lz4); anything unknown counts as plain.
absl::StatusOr<Compression> SniffCompression(absl::string_view first_bytes);

// The inflated bytes of `from` (borrowed). Ends in INVALID_ARGUMENT if the
// stream is damaged, cut short or followed by something else, and in
// RESOURCE_EXHAUSTED once more than `max_bytes` came out.
absl::StatusOr<std::unique_ptr<ByteSource>> NewDecompressor(ByteSource* from,
                                                            int64_t max_bytes);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_DECOMPRESS_H_
