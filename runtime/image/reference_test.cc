#include "runtime/image/reference.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;

std::string Canonical(absl::string_view text) {
  absl::StatusOr<Reference> ref = ParseReference(text);
  return ref.ok() ? ref->ToString() : std::string(ref.status().message());
}

const std::string kDigest = absl::StrCat("sha256:", std::string(64, 'a'));

TEST(Reference, FillsInDockersDefaults) {
  EXPECT_EQ(Canonical("busybox"), "docker.io/library/busybox:latest");
  EXPECT_EQ(Canonical("busybox:1.36"), "docker.io/library/busybox:1.36");
  EXPECT_EQ(Canonical("user/app"), "docker.io/user/app:latest");
  EXPECT_EQ(Canonical("docker.io/busybox"), "docker.io/library/busybox:latest");
  EXPECT_EQ(Canonical("index.docker.io/busybox"),
            "docker.io/library/busybox:latest");
}

TEST(Reference, KnowsARegistryFromAPath) {
  EXPECT_EQ(Canonical("localhost/app"), "localhost/app:latest");
  EXPECT_EQ(Canonical("localhost:5000/app:v1"), "localhost:5000/app:v1");
  EXPECT_EQ(Canonical("registry.k8s.io/pause:3.9"),
            "registry.k8s.io/pause:3.9");
  EXPECT_EQ(Canonical("[::1]:5000/a/b"), "[::1]:5000/a/b:latest");
  EXPECT_EQ(Canonical("Registry/app"), "Registry/app:latest");
  EXPECT_EQ(Canonical("a/b/c"), "docker.io/a/b/c:latest");
}

TEST(Reference, DigestWithAndWithoutTag) {
  EXPECT_EQ(Canonical("a@" + kDigest), "docker.io/library/a@" + kDigest);
  ASSERT_OK_AND_ASSIGN(Reference ref, ParseReference("h.io/a:t@" + kDigest));
  EXPECT_EQ(ref.tag, "t");
  EXPECT_EQ(ref.Tagged(), "h.io/a:t");
  EXPECT_EQ(ref.Digested(), "h.io/a@" + kDigest);
}

TEST(Reference, SeparatorsInsideAPath) {
  EXPECT_EQ(Canonical("a__b/c--d.e"), "docker.io/a__b/c--d.e:latest");
  for (const char* text :
       {"a___b/c", "a..b/c", "a/_b", "a/b-", "a/.b", "a._b/c"}) {
    EXPECT_THAT(ParseReference(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(Reference, RefusesHostileForms) {
  for (const std::string& text : std::initializer_list<std::string>{
           std::string(),
           std::string("/a"),
           std::string("a/"),
           std::string("a//b"),
           std::string("a:"),
           std::string(":tag"),
           std::string("a:b:c"),
           std::string("A"),
           std::string("user/App"),
           std::string("a@"),
           std::string("a@sha256:00"),
           "a@" + kDigest + "@" + kDigest,
           std::string("../a"),
           std::string("h.io/../a"),
           std::string("h.io:0/a"),
           std::string("h.io:99999/a"),
           std::string("-h.io/a"),
           std::string("u:p@h.io/a"),
           std::string("a b"),
           std::string("a\nb"),
           std::string("h.io/a:t\r\nX: y"),
           std::string("http://h.io/a"),
           std::string("h..io/a"),
           std::string("[::1/a"),
           std::string("[x]/a"),
           "a:" + std::string(129, 't'),
           "h.io/" + std::string(256, 'a'),
           std::string("a:.t"),
           std::string("a\0b", 3),
           std::string(64, 'a'),
       }) {
    EXPECT_THAT(ParseReference(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(Reference, ErrorSaysWhatIsWrong) {
  EXPECT_EQ(Canonical("user/App"),
            "image reference \"user/App\": a part of the repository's path "
            "must begin and end with a lower-case letter or a digit");
  EXPECT_EQ(Canonical("h.io:x/a"),
            "image reference \"h.io:x/a\": bad port of the registry");
}

TEST(Qualify, AddsTheRegistryOfShortNames) {
  const ShortNames names = {
      .registry = "r.lan:5000",
      .aliases = {{"box", "r.lan/base/busybox"}, {"team/app", "q.lan/app"}}};
  const std::string digest = "@sha256:" + std::string(64, '0');
  const struct {
    std::string text;
    std::string qualified;
  } cases[] = {
      {"box", "r.lan/base/busybox"},
      {"box:1.2", "r.lan/base/busybox:1.2"},
      {"box:1" + digest, "r.lan/base/busybox:1" + digest},
      {"team/app" + digest, "q.lan/app" + digest},
      {"other", "r.lan:5000/other"},
      {"team/other:x", "r.lan:5000/team/other:x"},
      {"docker.io/library/box", "docker.io/library/box"},
      {"localhost/box", "localhost/box"},
      {"h:1/box", "h:1/box"},
      // Ids and their beginnings.
      {"sha256:" + std::string(64, 'a'), "sha256:" + std::string(64, 'a')},
      {std::string(64, 'a'), std::string(64, 'a')},
      {"cafebabe", "cafebabe"},
      {"cafe", "r.lan:5000/cafe"},
      {"", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(Qualify(c.text, names), c.qualified);
  EXPECT_EQ(Qualify("other", {}), "other");
}

}  // namespace
}  // namespace gantry::image
