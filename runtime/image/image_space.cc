#include "runtime/image/image_space.h"

#include <map>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/image/digest.h"

namespace gantry::image {
namespace {

// The blobs and layers of an image, each once. A layer and a plain blob of it
// have the same digest: the kind tells them apart.
std::set<std::string> ObjectsOf(const record::ImageRecord& image) {
  std::set<std::string> objects(image.blobs().begin(), image.blobs().end());
  for (const record::ImageLayer& layer : image.layers()) {
    objects.insert(absl::StrCat("layer ", layer.diff_id()));
  }
  return objects;
}

// Of everything in the store, by the same names.
std::map<std::string, int64_t> BytesOfObjects(ImageStore& store) {
  std::map<std::string, int64_t> bytes;
  for (const LayerInfo& layer : store.layers().List()) {
    bytes[absl::StrCat("layer ", layer.diff_id.ToString())] = layer.usage.bytes;
  }
  absl::StatusOr<std::vector<Digest>> blobs = store.content().List();
  if (!blobs.ok()) return bytes;
  for (const Digest& blob : *blobs) {
    absl::StatusOr<int64_t> size = store.content().DiskBytes(blob);
    if (size.ok()) bytes[blob.ToString()] = *size;
  }
  return bytes;
}

}  // namespace

std::vector<ImageSpace> SpaceOfImages(ImageStore& store) {
  const std::map<std::string, int64_t> bytes = BytesOfObjects(store);
  const std::vector<record::ImageRecord> images = store.List();
  std::map<std::string, int> owners;
  for (const record::ImageRecord& image : images) {
    for (const std::string& object : ObjectsOf(image)) ++owners[object];
  }
  std::vector<ImageSpace> out;
  for (const record::ImageRecord& image : images) {
    ImageSpace space = {.image = image};
    for (const std::string& object : ObjectsOf(image)) {
      auto found = bytes.find(object);
      if (found == bytes.end()) continue;
      (owners[object] > 1 ? space.shared_bytes : space.own_bytes) +=
          found->second;
    }
    out.push_back(std::move(space));
  }
  return out;
}

int64_t SpaceWithout(ImageStore& store, const std::set<std::string>& ids,
                     const LayerInUse& in_use) {
  std::set<std::string> kept;
  for (const record::ImageRecord& image : store.List()) {
    if (ids.count(image.id()) == 0) kept.merge(ObjectsOf(image));
  }
  for (const LayerInfo& layer : store.layers().List()) {
    if (in_use && in_use(layer.LowerDir())) {
      kept.insert(absl::StrCat("layer ", layer.diff_id.ToString()));
    }
  }
  int64_t sum = 0;
  for (const auto& [object, bytes] : BytesOfObjects(store)) {
    if (kept.count(object) == 0) sum += bytes;
  }
  return sum;
}

}  // namespace gantry::image
