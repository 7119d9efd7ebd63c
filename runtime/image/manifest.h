// OCI image index, manifest and configuration, and Docker's schema 2 forms of
// them (OCI image-spec v1.1 image-index.md, manifest.md, config.md; Docker
// distribution "Image Manifest V 2, Schema 2").
//
// All of it is untrusted input: capped in size, strictly typed, and a document
// that could be read as two kinds (CVE-2021-41190) is refused.
// Thread safety: values and pure functions. Never blocks.

#ifndef GANTRY_RUNTIME_IMAGE_MANIFEST_H_
#define GANTRY_RUNTIME_IMAGE_MANIFEST_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/image/digest.h"

namespace gantry::image {

inline constexpr size_t kMaxManifestBytes = size_t{4} << 20;

inline constexpr absl::string_view kOciIndexType =
    "application/vnd.oci.image.index.v1+json";
inline constexpr absl::string_view kOciManifestType =
    "application/vnd.oci.image.manifest.v1+json";
inline constexpr absl::string_view kDockerListType =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr absl::string_view kDockerManifestType =
    "application/vnd.docker.distribution.manifest.v2+json";

bool IsIndexType(absl::string_view media_type);
bool IsManifestType(absl::string_view media_type);

struct Platform {
  std::string os;            // "linux"
  std::string architecture;  // Go's names: "amd64", "arm64"
  std::string variant;       // "v8" (arm), "v3" (amd64), often empty
};
// This machine's.
Platform HostPlatform();
std::string ToString(const Platform& platform);

struct Descriptor {
  std::string media_type;
  Digest digest;
  int64_t size = 0;
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;
};

struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom layer first
  std::map<std::string, std::string> annotations;
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests;
  std::map<std::string, std::string> annotations;
};

// Reads either kind. `media_type` is what the descriptor or the Content-Type
// said, empty if unknown; the document's own mediaType must agree with it.
absl::StatusOr<std::variant<Manifest, Index>> ParseManifestOrIndex(
    absl::string_view text, absl::string_view media_type);

// The manifest of an index that fits `want` best: same os and architecture,
// then the same variant, else the highest lower one; no variant is v7 of arm,
// v8 of arm64, v1 of amd64. NOT_FOUND lists the platforms there are.
absl::StatusOr<Descriptor> ChoosePlatform(const Index& index,
                                          const Platform& want);
// Whether an image for `have` runs on `want`.
bool PlatformFits(const Platform& have, const Platform& want);

struct HistoryEntry {
  std::string created;  // RFC 3339 as written; may be empty
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
};

struct ImageConfig {
  Platform platform;
  std::string created;
  std::string author;
  std::string user;
  std::vector<std::string> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string working_dir;
  std::vector<std::string> volumes;
  std::vector<std::string> exposed_ports;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::vector<Digest> diff_ids;  // bottom layer first
  std::vector<HistoryEntry> history;
};

absl::StatusOr<ImageConfig> ParseImageConfig(absl::string_view text);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_MANIFEST_H_
