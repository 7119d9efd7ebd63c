// Images for tests: layers, configuration and manifest that fit together, and
// the forms in which they travel.

#ifndef GANTRY_RUNTIME_IMAGE_TESTING_SAMPLE_IMAGE_H_
#define GANTRY_RUNTIME_IMAGE_TESTING_SAMPLE_IMAGE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "runtime/image/digest.h"
#include "runtime/image/manifest.h"
#include "runtime/image/testing/compress.h"
#include "runtime/image/testing/tar_builder.h"

namespace gantry::image {

struct SampleImage {
  std::vector<std::string> tars;
  std::vector<std::string> blobs;  // as they travel
  std::string config;
  std::string manifest;

  Digest id() const { return DigestOf(config); }
  // Everything by its digest, manifest included.
  std::map<std::string, std::string> Content() const {
    std::map<std::string, std::string> out;
    for (const std::string& blob : blobs) out[DigestOf(blob).hex()] = blob;
    out[DigestOf(config).hex()] = config;
    out[DigestOf(manifest).hex()] = manifest;
    return out;
  }
};

inline std::string DescriptorJson(absl::string_view type,
                                  const std::string& content,
                                  absl::string_view more = "") {
  return absl::StrCat(R"({"mediaType":")", type, R"(","digest":")",
                      DigestOf(content).ToString(), R"(","size":)",
                      content.size(), more, "}");
}

// `tars` as layers: gzip, zstd, plain in turn.
inline SampleImage MakeImage(
    const std::vector<std::string>& tars,
    absl::string_view architecture = HostPlatform().architecture,
    absl::string_view user = "7") {
  SampleImage image = {.tars = tars};
  std::vector<std::string> diff_ids;
  std::vector<std::string> layers;
  const std::string base = "application/vnd.oci.image.layer.v1.tar";
  for (size_t i = 0; i < tars.size(); ++i) {
    std::string type = base;
    std::string blob = tars[i];
    if (i % 3 == 0) {
      blob = Gzipped(tars[i]);
      type += "+gzip";
    } else if (i % 3 == 1) {
      blob = Zstded(tars[i]);
      type += "+zstd";
    }
    diff_ids.push_back(absl::StrCat("\"", DigestOf(tars[i]).ToString(), "\""));
    layers.push_back(DescriptorJson(type, blob));
    image.blobs.push_back(std::move(blob));
  }
  image.config =
      absl::StrCat(R"({"os":"linux","architecture":")", architecture,
                   R"(","config":{"User":")", user, R"(","Env":["A=b"]},)",
                   R"("rootfs":{"type":"layers","diff_ids":[)",
                   absl::StrJoin(diff_ids, ","), "]}}");
  image.manifest = absl::StrCat(
      R"({"schemaVersion":2,"mediaType":")", kOciManifestType, R"(","config":)",
      DescriptorJson("application/vnd.oci.image.config.v1+json", image.config),
      R"(,"layers":[)", absl::StrJoin(layers, ","), "]}");
  return image;
}

inline SampleImage TwoLayers() {
  return MakeImage({TarBuilder().File("etc/a", "lower").Dir("d").Done(),
                    TarBuilder().File("etc/b", "upper").Done()});
}

inline std::string IndexJson(const std::vector<std::string>& descriptors) {
  return absl::StrCat(R"({"schemaVersion":2,"mediaType":")", kOciIndexType,
                      R"(","manifests":[)", absl::StrJoin(descriptors, ","),
                      "]}");
}

inline std::string PlatformJson(absl::string_view architecture) {
  return absl::StrCat(R"(,"platform":{"os":"linux","architecture":")",
                      architecture, "\"}");
}

// The files of an OCI layout with this index.json.
inline std::map<std::string, std::string> LayoutFiles(
    const std::vector<SampleImage>& images, const std::string& index) {
  std::map<std::string, std::string> files;
  files["oci-layout"] = R"({"imageLayoutVersion":"1.0.0"})";
  files["index.json"] = index;
  for (const SampleImage& image : images) {
    for (const auto& [hex, data] : image.Content()) {
      files["blobs/sha256/" + hex] = data;
    }
  }
  return files;
}

inline std::map<std::string, std::string> DockerFiles(
    const SampleImage& image, const std::string& tags_json) {
  std::map<std::string, std::string> files;
  std::vector<std::string> layers;
  for (size_t i = 0; i < image.tars.size(); ++i) {
    const std::string name = absl::StrCat("layer", i, "/layer.tar");
    files[name] = image.tars[i];
    layers.push_back(absl::StrCat("\"", name, "\""));
  }
  const std::string config = image.id().hex() + ".json";
  files[config] = image.config;
  files["manifest.json"] =
      absl::StrCat(R"([{"Config":")", config, R"(","RepoTags":)", tags_json,
                   R"(,"Layers":[)", absl::StrJoin(layers, ","), "]}]");
  return files;
}

inline std::string TarOf(const std::map<std::string, std::string>& files) {
  TarBuilder tar;
  for (const auto& [name, data] : files) tar.File(name, data);
  return tar.Done();
}

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_TESTING_SAMPLE_IMAGE_H_
