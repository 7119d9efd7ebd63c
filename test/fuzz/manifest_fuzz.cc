// The documents of an image as a registry may send them: index, manifest,
// configuration. Whatever is accepted keeps the promises of manifest.h.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/image/digest.h"
#include "runtime/image/manifest.h"

namespace gantry::image {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void CheckDigest(const Digest& digest) {
  const absl::StatusOr<Digest> again = Digest::Parse(digest.ToString());
  Check(again.ok() && *again == digest);
}

void CheckDescriptor(const Descriptor& descriptor) {
  CheckDigest(descriptor.digest);
  Check(descriptor.size >= 0);
}

void CheckManifest(const Manifest& manifest) {
  Check(IsManifestType(manifest.media_type));
  CheckDescriptor(manifest.config);
  Check(manifest.layers.size() <= 500);
  for (const Descriptor& layer : manifest.layers) CheckDescriptor(layer);
}

void CheckIndex(const Index& index) {
  Check(IsIndexType(index.media_type));
  for (const Descriptor& entry : index.manifests) CheckDescriptor(entry);
  const Platform arm = {.os = "linux", .architecture = "arm", .variant = "v7"};
  for (const Platform& want : {HostPlatform(), arm}) {
    const absl::StatusOr<Descriptor> chosen = ChoosePlatform(index, want);
    if (!chosen.ok()) continue;
    CheckDescriptor(*chosen);
    Check(!chosen->platform || PlatformFits(*chosen->platform, want));
  }
}

void Read(absl::string_view text) {
  for (const absl::string_view type :
       {absl::string_view(), kOciIndexType, kDockerManifestType}) {
    const auto document = ParseManifestOrIndex(text, type);
    if (!document.ok()) continue;
    if (const auto* manifest = std::get_if<Manifest>(&*document)) {
      CheckManifest(*manifest);
      // What was announced as an index never passes for an image.
      Check(!IsIndexType(type));
    } else {
      CheckIndex(std::get<Index>(*document));
      Check(!IsManifestType(type));
    }
  }
  const absl::StatusOr<ImageConfig> config = ParseImageConfig(text);
  if (!config.ok()) return;
  for (const Digest& layer : config->diff_ids) CheckDigest(layer);
}

}  // namespace
}  // namespace gantry::image

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gantry::image::Read(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
