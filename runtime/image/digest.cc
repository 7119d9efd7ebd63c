#include "runtime/image/digest.h"

#include <openssl/evp.h>

#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gantry::image {
namespace {

constexpr absl::string_view kSha256 = "sha256";
constexpr absl::string_view kSha512 = "sha512";

}  // namespace

absl::StatusOr<Digest> Digest::Parse(absl::string_view text) {
  // The text may be hostile: it is quoted and cut in the error.
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "digest \"", absl::CHexEscape(text.substr(0, 160)), "\": ", why));
  };
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos) return bad("no algorithm");
  const absl::string_view name = text.substr(0, colon);
  const absl::string_view hex = text.substr(colon + 1);
  Algorithm algorithm;
  size_t digits;
  if (name == kSha256) {
    algorithm = Algorithm::kSha256;
    digits = 64;
  } else if (name == kSha512) {
    algorithm = Algorithm::kSha512;
    digits = 128;
  } else {
    return bad("the algorithm is neither sha256 nor sha512");
  }
  if (hex.size() != digits) {
    return bad(absl::StrCat("expected ", digits, " hex digits"));
  }
  for (char c : hex) {
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
      return bad("expected lower-case hex digits");
    }
  }
  return Digest(algorithm, std::string(hex));
}

absl::string_view Digest::algorithm_name() const {
  return algorithm_ == Algorithm::kSha256 ? kSha256 : kSha512;
}

std::string Digest::ToString() const {
  return absl::StrCat(algorithm_name(), ":", hex_);
}

struct DigestHasher::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Digest::Algorithm algorithm;
  ~Context() { EVP_MD_CTX_free(md); }
};

DigestHasher::DigestHasher(Digest::Algorithm algorithm)
    : context_(std::make_unique<Context>()) {
  context_->algorithm = algorithm;
  const EVP_MD* type =
      algorithm == Digest::Algorithm::kSha256 ? EVP_sha256() : EVP_sha512();
  // Can only fail without memory or with a broken OpenSSL.
  if (EVP_DigestInit_ex(context_->md, type, nullptr) != 1) abort();
}

DigestHasher::~DigestHasher() = default;
DigestHasher::DigestHasher(DigestHasher&&) noexcept = default;
DigestHasher& DigestHasher::operator=(DigestHasher&&) noexcept = default;

void DigestHasher::Update(absl::string_view data) {
  if (EVP_DigestUpdate(context_->md, data.data(), data.size()) != 1) abort();
}

Digest DigestHasher::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context_->md, bytes, &size) != 1) abort();
  return Digest(context_->algorithm,
                absl::BytesToHexString(absl::string_view(
                    reinterpret_cast<const char*>(bytes), size)));
}

Digest DigestOf(absl::string_view data) {
  DigestHasher hasher(Digest::Algorithm::kSha256);
  hasher.Update(data);
  return hasher.Finish();
}

}  // namespace gantry::image
