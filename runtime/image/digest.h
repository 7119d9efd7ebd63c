// Content digests (OCI image-spec, descriptor.md, "Digests"): a strict parser
// and a streaming hasher.
//
// Thread safety: Digest is a value; a hasher belongs to one thread. The hasher
// runs at the speed of OpenSSL's EVP (SHA-NI where the CPU has it).

#ifndef GANTRY_RUNTIME_IMAGE_DIGEST_H_
#define GANTRY_RUNTIME_IMAGE_DIGEST_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::image {

class Digest {
 public:
  enum class Algorithm { kSha256, kSha512 };

  // Exactly "sha256:" and 64, or "sha512:" and 128, lower-case hex digits.
  // Anything else is INVALID_ARGUMENT, so that a Digest is safe as a file name
  // and in a URL.
  static absl::StatusOr<Digest> Parse(absl::string_view text);

  Algorithm algorithm() const { return algorithm_; }
  absl::string_view algorithm_name() const;
  const std::string& hex() const { return hex_; }
  std::string ToString() const;

  bool operator==(const Digest&) const = default;
  auto operator<=>(const Digest&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Digest& d) {
    return H::combine(std::move(h), d.hex_);
  }

 private:
  friend class DigestHasher;
  Digest(Algorithm algorithm, std::string hex)
      : algorithm_(algorithm), hex_(std::move(hex)) {}

  Algorithm algorithm_;
  std::string hex_;
};

class DigestHasher {
 public:
  explicit DigestHasher(Digest::Algorithm algorithm);
  ~DigestHasher();
  DigestHasher(DigestHasher&&) noexcept;
  DigestHasher& operator=(DigestHasher&&) noexcept;

  void Update(absl::string_view data);
  // The digest of all data; the hasher is of no use afterwards.
  Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// The sha256 of `data`.
Digest DigestOf(absl::string_view data);

}  // namespace gantry::image

#endif  // GANTRY_RUNTIME_IMAGE_DIGEST_H_
