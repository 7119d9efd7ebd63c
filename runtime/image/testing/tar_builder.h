// Writes tar archives for tests, well-formed and hostile: every header field is
// at the test's hand.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_TAR_BUILDER_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_TAR_BUILDER_H_

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gantry::image {

// Of one entry.
struct TarOptions {
  unsigned mode = 0644;
  uint64_t uid = 0;
  uint64_t gid = 0;
  int64_t mtime = 1'600'000'000;
  unsigned major = 0;
  unsigned minor = 0;
  // Extended header records put before the entry.
  std::vector<std::pair<std::string, std::string>> pax;
};

class TarBuilder {
 public:
  using Options = TarOptions;

  TarBuilder& File(absl::string_view path, absl::string_view data,
                   const Options& options = {.mode = 0644}) {
    return Entry('0', path, "", data, options);
  }
  TarBuilder& Dir(absl::string_view path,
                  const Options& options = {.mode = 0755}) {
    return Entry('5', path, "", "", options);
  }
  TarBuilder& Symlink(absl::string_view path, absl::string_view target) {
    return Entry('2', path, target, "", {.mode = 0777});
  }
  TarBuilder& HardLink(absl::string_view path, absl::string_view target) {
    return Entry('1', path, target, "", {.mode = 0644});
  }
  TarBuilder& Device(char type, absl::string_view path,
                     const Options& options) {
    return Entry(type, path, "", "", options);
  }

  TarBuilder& Entry(char type, absl::string_view path, absl::string_view link,
                    absl::string_view data, const Options& options) {
    auto pax = options.pax;
    if (path.size() > 100) pax.emplace_back("path", std::string(path));
    if (link.size() > 100) pax.emplace_back("linkpath", std::string(link));
    if (!pax.empty()) {
      std::string records;
      for (const auto& [key, value] : pax) {
        absl::StrAppend(&records, PaxRecord(key, value));
      }
      Header('x', "PaxHeader", "", records.size(), {});
      Body(records);
    }
    Header(type, path.substr(0, 100), link.substr(0, 100), data.size(),
           options);
    return Body(data);
  }

  // One 512-byte header with the right checksum.
  TarBuilder& Header(char type, absl::string_view path, absl::string_view link,
                     uint64_t size, const Options& options) {
    char header[512] = {};
    memcpy(header, path.data(), path.size());
    Octal(header + 100, 8, options.mode);
    Octal(header + 108, 8, options.uid);
    Octal(header + 116, 8, options.gid);
    Octal(header + 124, 12, size);
    Octal(header + 136, 12, options.mtime);
    header[156] = type;
    memcpy(header + 157, link.data(), link.size());
    memcpy(header + 257, "ustar\00000", 8);
    Octal(header + 329, 8, options.major);
    Octal(header + 337, 8, options.minor);
    return Raw(WithChecksum(header));
  }

  static std::string WithChecksum(char (&header)[512]) {
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (unsigned char c : header) sum += c;
    snprintf(header + 148, 8, "%06o", sum);
    return std::string(header, sizeof(header));
  }

  // `data` filled up to a block.
  TarBuilder& Body(absl::string_view data) {
    absl::StrAppend(&out_, data);
    out_.append((512 - data.size() % 512) % 512, '\0');
    return *this;
  }
  TarBuilder& Raw(absl::string_view bytes) {
    absl::StrAppend(&out_, bytes);
    return *this;
  }

  // The archive with its two empty blocks at the end.
  std::string Done() const { return out_ + std::string(1024, '\0'); }
  // Without them.
  std::string Open() const { return out_; }

  static std::string PaxRecord(absl::string_view key, absl::string_view value) {
    const std::string tail = absl::StrCat(" ", key, "=", value, "\n");
    size_t length = tail.size();
    while (absl::StrCat(length).size() + tail.size() != length) {
      length = absl::StrCat(length).size() + tail.size();
    }
    return absl::StrCat(length, tail);
  }

 private:
  static void Octal(char* field, size_t width, uint64_t value) {
    std::string digits(width - 1, '0');
    for (size_t i = width - 1; i-- > 0; value >>= 3) {
      digits[i] = static_cast<char>('0' + (value & 7));
    }
    memcpy(field, digits.data(), digits.size());
  }

  std::string out_;
};

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_TAR_BUILDER_H_
