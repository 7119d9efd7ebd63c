#include "server/cri/translate_image.h"

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::PullImageRequest;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;

TEST(ImageToCri, UserIsANumberOrAName) {
  record::ImageRecord image;
  image.set_id("sha256:1");
  struct {
    const char* user;
    bool has_uid;
    int64_t uid;
    const char* name;
  } const cases[] = {{"", false, 0, ""},
                     {"0", true, 0, ""},
                     {"1000:50", true, 1000, ""},
                     {"web:root", false, 0, "web"}};
  for (const auto& c : cases) {
    image.mutable_config()->set_user(c.user);
    runtime::v1::Image to = ImageToCri(image, {});
    EXPECT_EQ(to.has_uid(), c.has_uid) << c.user;
    EXPECT_EQ(to.uid().value(), c.uid) << c.user;
    EXPECT_EQ(to.username(), c.name) << c.user;
    // Never 0, whatever the record says.
    EXPECT_GT(to.size(), 0);
  }
}

TEST(ImageToCri, TheConfigurationPinsByAnyName) {
  record::ImageRecord image;
  image.set_id("sha256:1");
  image.add_repo_tags("r.example/a:1");
  image.add_repo_digests("r.example/a@sha256:2");
  EXPECT_FALSE(ImageToCri(image, {}).pinned());
  HostAbilities host;
  host.pinned_images = {"r.example/a:2"};
  EXPECT_FALSE(ImageToCri(image, host).pinned());
  host.pinned_images = {"r.example/a:1"};
  EXPECT_TRUE(ImageToCri(image, host).pinned());
  host.pinned_images = {"r.example/a@sha256:2"};
  EXPECT_TRUE(ImageToCri(image, host).pinned());
}

TEST(ImageRefOf, IsTheNameWithDigestElseTheId) {
  record::ImageRecord image;
  image.set_id("sha256:1");
  EXPECT_EQ(ImageRefOf(image), "sha256:1");
  image.add_repo_digests("docker.io/library/busybox@sha256:2");
  EXPECT_EQ(ImageRefOf(image), "docker.io/library/busybox@sha256:2");
}

TEST(PullRequestFromCri, TakesCredentialsInEitherForm) {
  PullImageRequest request;
  request.mutable_image()->set_image("ghcr.io/a/b:1");
  request.mutable_auth()->set_auth("dXNlcjpwYTpzcw==");  // user:pa:ss
  ASSERT_OK_AND_ASSIGN(core::PullRequest pull, PullRequestFromCri(request, {}));
  EXPECT_EQ(pull.reference, "ghcr.io/a/b:1");
  EXPECT_EQ(pull.credentials.username, "user");
  EXPECT_EQ(pull.credentials.password, "pa:ss");
  request.mutable_auth()->set_username("other");
  request.mutable_auth()->set_password("p");
  ASSERT_OK_AND_ASSIGN(pull, PullRequestFromCri(request, {}));
  EXPECT_EQ(pull.credentials.username, "other");
  EXPECT_EQ(pull.credentials.password, "p");
}

TEST(PullRequestFromCri, CredentialsOfAnotherRegistryStayHere) {
  PullImageRequest request;
  request.mutable_image()->set_image("ghcr.io/a/b:1");
  request.mutable_auth()->set_username("u");
  request.mutable_auth()->set_server_address("https://quay.io/v2/");
  ASSERT_OK_AND_ASSIGN(core::PullRequest other,
                       PullRequestFromCri(request, {}));
  EXPECT_TRUE(other.credentials.empty());
  request.mutable_auth()->set_server_address("https://ghcr.io");
  ASSERT_OK_AND_ASSIGN(core::PullRequest same, PullRequestFromCri(request, {}));
  EXPECT_EQ(same.credentials.username, "u");
  // Docker's configuration names the hub like this.
  request.mutable_image()->set_image("busybox");
  request.mutable_auth()->set_server_address("index.docker.io");
  ASSERT_OK_AND_ASSIGN(core::PullRequest hub, PullRequestFromCri(request, {}));
  EXPECT_EQ(hub.credentials.username, "u");
}

TEST(PullRequestFromCri, BadAuthIsNotShown) {
  PullImageRequest request;
  request.mutable_image()->set_image("busybox");
  request.mutable_auth()->set_auth("c2VjcmV0");  // no colon in it
  EXPECT_THAT(PullRequestFromCri(request, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("auth.auth"),
                                        Not(HasSubstr("c2VjcmV0")),
                                        Not(HasSubstr("secret")))));
}

TEST(ImageNameFromCri, EmptyNamesItsField) {
  EXPECT_THAT(
      ImageNameFromCri(runtime::v1::ImageSpec(), {}, "image"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image.image")));
}

TEST(ImageNameFromCri, ShortNamesGetTheirRegistry) {
  HostAbilities host;
  host.short_names = {.registry = "r.lan", .aliases = {{"box", "q.lan/box"}}};
  runtime::v1::ImageSpec spec;
  spec.set_image("box:1");
  EXPECT_THAT(ImageNameFromCri(spec, host, "image"),
              IsOkAndHolds("q.lan/box:1"));
  PullImageRequest request;
  request.mutable_image()->set_image("other");
  // The server's address is that of the whole name.
  request.mutable_auth()->set_server_address("r.lan");
  request.mutable_auth()->set_username("u");
  ASSERT_OK_AND_ASSIGN(core::PullRequest pull,
                       PullRequestFromCri(request, host));
  EXPECT_EQ(pull.reference, "r.lan/other");
  EXPECT_EQ(pull.credentials.username, "u");
}

TEST(ImageNameFromCri, TakesAnyHandlersImage) {
  HostAbilities host;
  host.runtime_handlers = {"fast"};
  runtime::v1::ImageSpec spec;
  spec.set_image("busybox");
  spec.set_runtime_handler("fast");
  EXPECT_THAT(ImageNameFromCri(spec, host, "image"), IsOkAndHolds("busybox"));
  spec.set_runtime_handler("slow");
  EXPECT_THAT(
      ImageNameFromCri(spec, host, "image"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               ::testing::AllOf(HasSubstr("image.runtime_handler"),
                                HasSubstr("\"fast\""), HasSubstr("\"slow\""))));
}

}  // namespace
}  // namespace gantry::cri
