// gzip and zstd for tests.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_COMPRESS_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_COMPRESS_H_

#include <isa-l.h>
#include <zstd.h>

#include <string>

#include "absl/strings/string_view.h"

namespace gantry::image {

inline std::string Gzipped(absl::string_view data) {
  std::string out(data.size() + data.size() / 10 + 1000, '\0');
  isal_zstream stream;
  isal_deflate_stateless_init(&stream);
  stream.gzip_flag = IGZIP_GZIP;
  stream.end_of_stream = 1;
  stream.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(data.data()));
  stream.avail_in = data.size();
  stream.next_out = reinterpret_cast<uint8_t*>(out.data());
  stream.avail_out = out.size();
  if (isal_deflate_stateless(&stream) != COMP_OK) return "";
  out.resize(stream.total_out);
  return out;
}

inline std::string Zstded(absl::string_view data) {
  std::string out(ZSTD_compressBound(data.size()), '\0');
  const size_t size =
      ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3);
  if (ZSTD_isError(size)) return "";
  out.resize(size);
  return out;
}

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_COMPRESS_H_
