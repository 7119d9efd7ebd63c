#include "runtime/image/digest.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;

constexpr char kOfAbc[] =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, HashesInPieces) {
  DigestHasher hasher(Digest::Algorithm::kSha256);
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish().ToString(), kOfAbc);
  EXPECT_EQ(DigestOf("abc").ToString(), kOfAbc);
  DigestHasher long_hasher(Digest::Algorithm::kSha512);
  long_hasher.Update("abc");
  EXPECT_EQ(long_hasher.Finish().hex().substr(0, 16), "ddaf35a193617aba");
}

TEST(Digest, ParsesWhatItWrites) {
  ASSERT_OK_AND_ASSIGN(Digest digest, Digest::Parse(kOfAbc));
  EXPECT_EQ(digest.ToString(), kOfAbc);
  EXPECT_EQ(digest, DigestOf("abc"));
  const std::string sha512 = absl::StrCat("sha512:", std::string(128, 'a'));
  ASSERT_OK_AND_ASSIGN(digest, Digest::Parse(sha512));
  EXPECT_EQ(digest.ToString(), sha512);
}

TEST(Digest, RefusesEveryOtherForm) {
  const std::string hex(64, 'a');
  for (const std::string& text : std::initializer_list<std::string>{
           std::string(),
           std::string(":"),
           hex,
           "sha256" + hex,
           "sha256:" + hex + "a",
           "sha256:" + hex.substr(1),
           "SHA256:" + hex,
           "sha256:" + std::string(64, 'A'),
           "sha256:" + std::string(64, 'g'),
           "md5:" + hex.substr(32),
           "sha256:../../../../../etc/passwd",
           " sha256:" + hex,
           "sha256:" + hex.substr(1) + "\n",
           "sha512:" + hex,
           "sha256:" + hex.substr(1) + std::string(1, '\0'),
           "sha256+b64:" + hex,
           "sha256:sha256:" + hex,
       }) {
    EXPECT_THAT(Digest::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(Digest, ErrorHoldsNoControlByteOfTheInput) {
  const std::string message(
      Digest::Parse("sha256:a\nb\x1b").status().message());
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace gantry::image
