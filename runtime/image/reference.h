// Image references: [domain/]path[:tag][@digest], after the grammar of the
// distribution project's reference package, with Docker's defaults.
//
// Thread safety: values and pure functions.

#ifndef GANTRY_RUNTIME_IMAGE_REFERENCE_H_
#define GANTRY_RUNTIME_IMAGE_REFERENCE_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/image/digest.h"

namespace gantry::image {

struct Reference {
  std::string domain;  // "docker.io", "localhost:5000", "[::1]:5000"
  std::string path;    // "library/busybox"
  std::string tag;     // empty only if there is a digest
  std::optional<Digest> digest;

  // "docker.io/library/busybox"
  std::string Name() const;
  // Name with the tag and the digest, as far as there are.
  std::string ToString() const;
  // What an image record keeps: "name:tag", empty without a tag; and
  // "name@digest", empty without a digest.
  std::string Tagged() const;
  std::string Digested() const;
};

// What names without a registry mean here.
struct ShortNames {
  std::string registry = "docker.io";
  // "busybox" or "team/app" -> "registry.lan/base/busybox"; no tags.
  std::map<std::string, std::string> aliases;
};

// `text` with its registry: an alias, else the default one, before what follows
// (tag, digest). Unchanged if it names one, could be an image's id or the
// beginning of one, or is no reference at all.
std::string Qualify(absl::string_view text, const ShortNames& names);

// Adds "docker.io/", "library/" and ":latest" where they are left out.
// INVALID_ARGUMENT says which part is wrong and why.
absl::StatusOr<Reference> ParseReference(absl::string_view text);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_REFERENCE_H_
