// The documents that an image archive begins with: the first byte says which.
// 'i': index.json of an OCI layout, in which "@M" stands for the digest of a
// manifest that is there; 'l': oci-layout; 'd': manifest.json of a
// docker-archive, in which every file named is a configuration.
//
// No input may load an image, for no layer is there; none may leave anything in
// the store but the documents it names.

#include <fcntl.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "runtime/image/archive_files.h"
#include "runtime/image/byte_source.h"
#include "runtime/image/digest.h"
#include "runtime/image/image_store.h"
#include "runtime/image/importer.h"
#include "runtime/image/manifest.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

void Expect(bool holds) {
  if (!holds) abort();
}

std::string Config() {
  return absl::StrCat(R"({"os":"linux","architecture":")",
                      HostPlatform().architecture,
                      R"(","rootfs":{"type":"layers","diff_ids":[")",
                      DigestOf("layer").ToString(), R"("]}})");
}

std::string ManifestText() {
  const std::string config = Config();
  return absl::StrCat(
      R"({"schemaVersion":2,"config":{"mediaType":)",
      R"("application/vnd.oci.image.config.v1+json","digest":")",
      DigestOf(config).ToString(), R"(","size":)", config.size(),
      R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",)",
      R"("digest":")", DigestOf("layer").ToString(), R"(","size":5}]})");
}

class Files : public ArchiveFiles {
 public:
  explicit Files(std::map<std::string, std::string> files, bool any)
      : files_(std::move(files)), any_(any) {}

  absl::StatusOr<std::unique_ptr<ByteSource>> Open(
      absl::string_view name) const override {
    auto found = files_.find(std::string(name));
    if (found != files_.end()) {
      return std::make_unique<StringSource>(found->second);
    }
    if (any_ && name != "oci-layout" && !absl::EndsWith(name, ".tar")) {
      return std::make_unique<StringSource>(Config());
    }
    return absl::NotFoundError(name);
  }

 private:
  const std::map<std::string, std::string> files_;
  // Whatever is asked for is a configuration.
  const bool any_;
};

// One for all inputs.
ImageStore& Store() {
  static ImageStore* const store = [] {
    char path[] = "/tmp/gantry-fuzz.XXXXXX";
    Expect(mkdtemp(path) != nullptr);
    auto dir = sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
    auto opened = ImageStore::Open(dir->get(), nullptr);
    Expect(opened.ok());
    static const std::string name = std::string(path).substr(5);
    atexit([] {
      auto tmp = sys::OpenAt(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY);
      sys::RemoveTreeAt(tmp->get(), name).IgnoreError();
    });
    return opened->release();
  }();
  return *store;
}

void Feed(char kind, const std::string& text) {
  const std::string manifest = ManifestText();
  std::map<std::string, std::string> files;
  if (kind == 'd') {
    files["manifest.json"] = text;
  } else {
    const std::string layout = R"({"imageLayoutVersion":"1.0.0"})";
    files["oci-layout"] = kind == 'l' ? text : layout;
    files["index.json"] =
        kind == 'l' ? R"({"schemaVersion":2,"manifests":[]})"
                    : absl::StrReplaceAll(
                          text, {{"@M", DigestOf(manifest).ToString()}});
    for (const std::string& blob : {manifest, Config()}) {
      files[absl::StrCat("blobs/sha256/", DigestOf(blob).hex())] = blob;
    }
  }
  Expect(!ImportFiles(Files(std::move(files), kind == 'd'), &Store(), {}).ok());
  Expect(Store().List().empty());
  Expect(Store().layers().List().empty());
  Expect(Store().content().List()->size() <= 2);
}

}  // namespace
}  // namespace gantry::image

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  if (!input.empty()) gantry::image::Feed(input[0], input.substr(1));
  return 0;
}
