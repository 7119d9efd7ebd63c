#include "runtime/image/manifest.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::image {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kA = absl::StrCat("sha256:", std::string(64, 'a'));
const std::string kB = absl::StrCat("sha256:", std::string(64, 'b'));

std::string Desc(absl::string_view digest, absl::string_view more = "") {
  return absl::StrCat(R"({"mediaType":"t","size":5,"digest":")", digest, "\"",
                      more, "}");
}

std::string ImageJson(absl::string_view more = "") {
  return absl::StrCat(R"({"schemaVersion":2,"config":)", Desc(kA),
                      R"(,"layers":[)", Desc(kB), "]", more, "}");
}

TEST(Manifest, ReadsAnImageManifest) {
  ASSERT_OK_AND_ASSIGN(auto either, ParseManifestOrIndex(ImageJson(), ""));
  const auto& manifest = std::get<Manifest>(either);
  EXPECT_EQ(manifest.media_type, kOciManifestType);
  EXPECT_EQ(manifest.config.digest.ToString(), kA);
  ASSERT_EQ(manifest.layers.size(), 1u);
  EXPECT_EQ(manifest.layers[0].size, 5);
}

TEST(Manifest, DocumentOfTwoKindsIsRefused) {
  const std::string both = ImageJson(R"(,"manifests":[])");
  for (absl::string_view type :
       {absl::string_view(), kOciIndexType, kOciManifestType}) {
    EXPECT_THAT(ParseManifestOrIndex(both, type),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(ParseManifestOrIndex(
                  R"({"schemaVersion":2,"manifests":[],"config":{}})", ""),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Manifest, TypesMustAgree) {
  EXPECT_THAT(ParseManifestOrIndex(ImageJson(), kOciIndexType),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const std::string docker =
      ImageJson(absl::StrCat(R"(,"mediaType":")", kDockerManifestType, "\""));
  EXPECT_OK(ParseManifestOrIndex(docker, kDockerManifestType));
  EXPECT_THAT(
      ParseManifestOrIndex(docker, kOciManifestType),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("announced as")));
  EXPECT_THAT(
      ParseManifestOrIndex(absl::StrCat(R"({"manifests":[],"mediaType":")",
                                        kOciManifestType, "\"}"),
                           ""),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Manifest, HostileDocumentsAreRefused) {
  for (const std::string& text : std::initializer_list<std::string>{
           std::string("[]"),
           std::string("{}"),
           std::string("null"),
           std::string(R"({"schemaVersion":1,"config":{}})"),
           absl::StrCat(R"({"config":)", Desc("sha256:../../x"), "}"),
           absl::StrCat(R"({"config":{"digest":")", kA, R"(","size":-1}})"),
           absl::StrCat(R"({"config":{"digest":")", kA, R"("}})"),
           absl::StrCat(R"({"config":)", Desc(kA), R"(,"layers":{}})"),
           absl::StrCat(R"({"config":)", Desc(kA), R"(,"layers":[3]})"),
           std::string(R"({"manifests":{}})"),
       }) {
    EXPECT_FALSE(ParseManifestOrIndex(text, "").ok()) << text;
  }
  std::string many = "{\"manifests\":[";
  for (int i = 0; i < 20'000; ++i)
    absl::StrAppend(&many, i ? "," : "", Desc(kA));
  EXPECT_THAT(ParseManifestOrIndex(many + "]}", ""),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(ParseManifestOrIndex(std::string(kMaxManifestBytes + 1, ' '), ""),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

Index IndexOf(const std::vector<std::string>& platforms) {
  Index index;
  for (const std::string& p : platforms) {
    std::vector<std::string> parts = {"linux", p, ""};
    if (size_t slash = p.find('/'); slash != std::string::npos) {
      parts = {"linux", p.substr(0, slash), p.substr(slash + 1)};
    }
    index.manifests.push_back(
        {.media_type = p,
         .digest = DigestOf(p),
         .platform = Platform{parts[0], parts[1], parts[2]}});
  }
  return index;
}

std::string Chosen(const std::vector<std::string>& platforms, Platform want) {
  absl::StatusOr<Descriptor> chosen = ChoosePlatform(IndexOf(platforms), want);
  return chosen.ok() ? chosen->media_type : "none";
}

TEST(ChoosePlatform, PrefersTheExactVariantThenALowerOne) {
  EXPECT_EQ(Chosen({"arm64", "amd64"}, {"linux", "amd64", ""}), "amd64");
  EXPECT_EQ(Chosen({"arm/v5", "arm/v6", "arm/v8"}, {"linux", "arm", "v7"}),
            "arm/v6");
  EXPECT_EQ(Chosen({"arm/v7", "arm64"}, {"linux", "arm64", "v8"}), "arm64");
  EXPECT_EQ(Chosen({"arm/v8"}, {"linux", "arm", "v7"}), "none");
  EXPECT_EQ(Chosen({"amd64/v3"}, {"linux", "amd64", ""}), "none");
  EXPECT_EQ(Chosen({"amd64", "amd64/v2"}, {"linux", "amd64", "v3"}),
            "amd64/v2");
  EXPECT_EQ(Chosen({"amd64/v4", "amd64"}, {"linux", "amd64", "v3"}), "amd64");
  EXPECT_EQ(Chosen({"amd64/v2"}, {"linux", "amd64", "v1"}), "none");
  // Of this machine, whatever its level: the plain image runs.
  const Platform host = HostPlatform();
  EXPECT_EQ(Chosen({host.architecture}, host), host.architecture);
  if (host.architecture == "amd64") {
    EXPECT_THAT(host.variant, ::testing::AnyOf("v1", "v2", "v3", "v4"));
  }
}

TEST(ChoosePlatform, ErrorListsWhatThereIs) {
  EXPECT_THAT(
      ChoosePlatform(IndexOf({"s390x", "arm/v7"}), {"linux", "amd64", ""}),
      StatusIs(absl::StatusCode::kNotFound,
               HasSubstr("linux/s390x, linux/arm/v7")));
}

TEST(ImageConfig, ReadsTheEssentials) {
  const std::string text = absl::StrCat(
      R"({"os":"linux","architecture":"amd64","created":"2020-01-01T00:00:00Z",
      "config":{"User":"1:2","Env":["A=b"],"Entrypoint":["/e"],"Cmd":["c"],
      "WorkingDir":"/w","Volumes":{"/v":{}},"ExposedPorts":{"80/tcp":{}},
      "Labels":{"k":"v"},"StopSignal":"SIGINT"},
      "rootfs":{"type":"layers","diff_ids":[")",
      kA, R"("]},"history":[{"created_by":"x","empty_layer":true}]})");
  ASSERT_OK_AND_ASSIGN(ImageConfig config, ParseImageConfig(text));
  EXPECT_EQ(config.user, "1:2");
  EXPECT_THAT(config.entrypoint, ElementsAre("/e"));
  EXPECT_THAT(config.volumes, ElementsAre("/v"));
  EXPECT_THAT(config.exposed_ports, ElementsAre("80/tcp"));
  EXPECT_EQ(config.stop_signal, "SIGINT");
  EXPECT_EQ(config.diff_ids.at(0).ToString(), kA);
  EXPECT_TRUE(config.history.at(0).empty_layer);
}

TEST(ImageConfig, NullMembersAreAbsentOnes) {
  EXPECT_OK(ParseImageConfig(
      R"({"os":"linux","config":{"Env":null,"Volumes":null,"Labels":null,
      "Entrypoint":null},"rootfs":{"type":"layers","diff_ids":null}})"));
}

TEST(ImageConfig, WrongTypesNameTheirPath) {
  EXPECT_THAT(ParseImageConfig(
                  R"({"config":{"Env":["A=b",3]},"rootfs":{"type":"layers"}})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Env[1]: expected a string")));
  EXPECT_FALSE(ParseImageConfig(
                   R"({"rootfs":{"type":"layers","diff_ids":["sha256:x"]}})")
                   .ok());
  EXPECT_FALSE(ParseImageConfig("{}").ok());
}

}  // namespace
}  // namespace gantry::image
