// The commands about images against a fake server over a real socket.

#include <fcntl.h>

#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/ctl/testing/app_case.h"

namespace gantry::ctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class ImageAppTest : public AppTest {
 protected:
  // A file of the test's; its path.
  std::string Write(const std::string& name, absl::string_view text) {
    const UniqueFd fd =
        *sys::OpenAt(dir_.fd(), name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT_TRUE(sys::WriteAll(fd.get(), text).ok());
    return dir_.path() + "/" + name;
  }
  std::string Read(const std::string& name) {
    return sys::ReadFileAt(dir_.fd(), name).value_or("<not there>");
  }
  void Fail(grpc::StatusCode code, const std::string& message) {
    server_->admin().status = grpc::Status(code, message);
  }
};

TEST_F(ImageAppTest, ImagesHistoryAndRemoval) {
  server_->SetImageInfo(
      R"({"history":[{"created_by":"ADD x","empty_layer":false},)"
      R"({"created_by":"CMD y","empty_layer":true}]})");
  EXPECT_EQ(Run({"images"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("localhost/busybox   latest   "
                                    "0123456789ab   2.0 KiB"));
  EXPECT_EQ(Run({"history", kImage}), 0);
  EXPECT_LT(out_.str().find("CMD y"), out_.str().find("ADD x"));
  EXPECT_EQ(Run({"inspect", "nothing"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("no container, pod or image"));
  EXPECT_EQ(Run({"rmi", "0123"}), 0);
  EXPECT_EQ(Run({"inspect", kImage}), 1);
}

TEST_F(ImageAppTest, LoadGivesTheServerTheAbsolutePath) {
  EXPECT_EQ(Run({"load", dir_.path() + "/../" +
                             dir_.path().substr(dir_.path().rfind('/') + 1)}),
            0);
  EXPECT_EQ(server_->admin().loaded, dir_.path());
  EXPECT_THAT(out_.str(), HasSubstr("loaded localhost/loaded:latest (0011"));
  EXPECT_EQ(Run({"load", dir_.path() + "/missing"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("ENOENT"));
}

TEST_F(ImageAppTest, PullTellsHowFarItIsAndThenTheResult) {
  admin::v1::PullProgress progress;
  progress.set_layer_count(1);
  admin::v1::LayerProgress* layer = progress.add_layers();
  layer->set_digest("sha256:" + std::string(64, '7'));
  layer->set_phase(admin::v1::LayerProgress::DONE);
  layer->set_done(2048);
  layer->set_total(2048);
  server_->admin().pull_progress = {progress};
  progress.clear_layers();
  progress.set_image_ref("sha256:cafe");
  server_->admin().pull_progress.push_back(progress);
  EXPECT_EQ(Run({"pull", "r.example/a:1"}), 0);
  EXPECT_EQ(server_->admin().pull.pull().image().image(), "r.example/a:1");
  EXPECT_THAT(err_.str(), HasSubstr("7777"));
  EXPECT_EQ(out_.str(), "pulled r.example/a:1: sha256:cafe\n");
  EXPECT_EQ(Run({"pull", "-q", "r.example/a:1"}), 0);
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(Run({"pull", "r.example/a:1", "--output", "json"}), 0);
  EXPECT_EQ(err_.str(), "");
  EXPECT_THAT(out_.str(), HasSubstr("\"imageRef\": \"sha256:cafe\""));
}

TEST_F(ImageAppTest, SecretsOfAPullComeFromFilesAndAreNotTold) {
  const std::string creds = Write("creds", "me:s3:cret\nmore\n");
  const std::string token = Write("token", "t0ken\n");
  EXPECT_EQ(Run({"pull", "--creds", creds, "--identity-token", token, "a"}), 0);
  const ::runtime::v1::AuthConfig auth = server_->admin().pull.pull().auth();
  EXPECT_EQ(auth.username(), "me");
  EXPECT_EQ(auth.password(), "s3:cret");
  EXPECT_EQ(auth.identity_token(), "t0ken");
  EXPECT_EQ(Run({"pull", "--registry-token", token, "a"}), 0);
  EXPECT_EQ(server_->admin().pull.pull().auth().registry_token(), "t0ken");

  EXPECT_EQ(Run({"pull", "--creds", token, "a"}), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("expected a line \"user:password\""),
                                HasSubstr(token), Not(HasSubstr("t0ken"))));
  EXPECT_EQ(Run({"pull", "--registry-token", Write("empty", "\n"), "a"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("its first line is empty"));
  EXPECT_EQ(Run({"pull", "--creds", dir_.path() + "/missing", "a"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("ENOENT"));
}

TEST_F(ImageAppTest, PullOfAServerWithoutProgressIsCris) {
  Fail(grpc::StatusCode::UNIMPLEMENTED, "");
  EXPECT_EQ(Run({"pull", "--creds", Write("creds", "me:pw"), "a"}), 0);
  EXPECT_EQ(server_->last_pull().image().image(), "a");
  EXPECT_EQ(server_->last_pull().auth().username(), "me");
  EXPECT_EQ(out_.str(), "pulled a: sha256:pulled\n");
}

TEST_F(ImageAppTest, APullThatFailsSaysWhyAndWhatElse) {
  Fail(grpc::StatusCode::UNAVAILABLE, "connect to r.example: ECONNREFUSED");
  EXPECT_EQ(Run({"pull", "r.example/a"}), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("ECONNREFUSED"),
                                HasSubstr("gantryctl load FILE")));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Run({"pull"}), 2);
  EXPECT_EQ(Run({"pull", "a", "b"}), 2);
}

TEST_F(ImageAppTest, SaveWritesTheWholeFileOrNone) {
  server_->admin().save_chunks = {"first ", "second"};
  const std::string file = dir_.path() + "/out.tar";
  EXPECT_EQ(Run({"save", "-o", file, "a", "b"}), 0);
  EXPECT_EQ(Read("out.tar"), "first second");
  EXPECT_THAT(server_->admin().save.images(), ElementsAre("a", "b"));
  EXPECT_EQ(server_->admin().save.format(), admin::v1::SaveRequest::OCI_LAYOUT);
  EXPECT_EQ(Run({"save", "--format", "docker", "-o", file, "a"}), 0);
  EXPECT_EQ(server_->admin().save.format(),
            admin::v1::SaveRequest::DOCKER_ARCHIVE);
  // What was there stays, and nothing is left beside it.
  server_->admin().save_chunks = {"half"};
  Fail(grpc::StatusCode::DATA_LOSS, "blob x is damaged");
  EXPECT_EQ(Run({"save", "-o", file, "a"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("blob x is damaged"));
  EXPECT_EQ(Read("out.tar"), "first second");
  EXPECT_THAT(*sys::ListDirAt(dir_.fd(), "."), SizeIs(1));
}

TEST_F(ImageAppTest, SaveNeedsImagesAFormatItKnowsAndAPlaceToWrite) {
  EXPECT_EQ(Run({"save", "-o", dir_.path() + "/x"}), 2);
  EXPECT_EQ(Run({"save", "--format", "zip", "a"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("zip"));
  EXPECT_EQ(Run({"save", "-o", dir_.path() + "/no/such", "a"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("ENOENT"));
}

TEST_F(ImageAppTest, TagsComeAndGo) {
  EXPECT_EQ(Run({"tag", "0123", "localhost/new:1"}), 0);
  EXPECT_EQ(server_->admin().tag.image(), "0123");
  EXPECT_EQ(server_->admin().tag.name(), "localhost/new:1");
  EXPECT_EQ(Run({"tag", "0123"}), 2);
  // The rest is done all the same.
  server_->admin().known_name = "c:1";
  EXPECT_EQ(Run({"untag", "b:1", "c:1"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("no image has the name b:1"));
  EXPECT_EQ(out_.str(), "c:1\n");
  EXPECT_THAT(server_->admin().untagged, ElementsAre("b:1", "c:1"));
  Fail(grpc::StatusCode::UNIMPLEMENTED, "unknown service");
  EXPECT_EQ(Run({"tag", "a", "b:1"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("only a gantryd has this"));
}

TEST_F(ImageAppTest, HistoryNeedsAnImageThatIsThere) {
  EXPECT_EQ(Run({"history"}), 2);
  EXPECT_EQ(Run({"history", "nothing:1"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("nothing:1"));
}

TEST_F(ImageAppTest, UsageOfImagesAndContainers) {
  admin::v1::UsageResponse& usage = server_->admin().usage_response;
  admin::v1::ImageUsage* image = usage.add_images();
  image->set_id("sha256:0123456789abcdef");
  image->set_own_bytes(2048);
  image->set_shared_bytes(4096);
  image->set_containers(3);
  image->set_pinned(true);
  image->set_incomplete("layer 1 is missing");
  usage.set_images_bytes(8192);
  usage.set_images_inodes(42);
  EXPECT_EQ(Run({"du"}), 0);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("<none> (0123456789ab)"), HasSubstr("2.0 KiB"),
                    HasSubstr("pinned, incomplete: layer 1 is missing"),
                    HasSubstr("images together: 8.0 KiB, 42 files\n"),
                    Not(HasSubstr("WRITTEN"))));
  admin::v1::ContainerUsage* container = usage.add_containers();
  container->set_id("fedcba9876543210");
  container->set_name("web");
  container->set_bytes(1024);
  container->set_inodes(9);
  EXPECT_EQ(Run({"du"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("fedcba987654   web    1.0 KiB   9"));
  EXPECT_EQ(Run({"du", "--output", "json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"imagesInodes\": \"42\""));
  EXPECT_EQ(Run({"du", "what"}), 2);
}

TEST_F(ImageAppTest, PruneTellsWhatGoes) {
  admin::v1::PrunedImage* image = server_->admin().prune_response.add_images();
  image->set_id("sha256:0123456789abcdef");
  image->add_names("a:1\n");
  server_->admin().prune_response.set_freed_bytes(2048);
  EXPECT_EQ(Run({"prune"}), 0);
  EXPECT_TRUE(server_->admin().prune.dangling_only());
  EXPECT_FALSE(server_->admin().prune.dry_run());
  // Names are text of images: no line of theirs begins anew.
  EXPECT_EQ(out_.str(), "removed a:1?\n2.0 KiB are free\n");
  EXPECT_EQ(Run({"prune", "-a", "-n"}), 0);
  EXPECT_FALSE(server_->admin().prune.dangling_only());
  EXPECT_TRUE(server_->admin().prune.dry_run());
  EXPECT_THAT(out_.str(), AllOf(StartsWith("would remove a:1"),
                                HasSubstr("would be free")));
  EXPECT_EQ(Run({"prune", "--output", "json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"freedBytes\": \"2048\""));
  EXPECT_EQ(Run({"prune", "image"}), 2);
}

TEST_F(ImageAppTest, FsckTellsWhatIsBadByItsExitCodeToo) {
  admin::v1::VerifyProgress bad;
  admin::v1::VerifyFinding& finding = *bad.mutable_finding();
  finding.set_kind(admin::v1::VerifyFinding::BAD_LAYER);
  finding.set_object("sha256:77");
  finding.set_problem("file etc/passwd differs");
  finding.add_images("sha256:0123456789abcdef");
  admin::v1::VerifyProgress unverified;
  unverified.mutable_finding()->set_kind(admin::v1::VerifyFinding::UNVERIFIED);
  admin::v1::VerifyProgress end;
  end.mutable_totals()->set_blobs(5);
  end.mutable_totals()->set_layers(2);
  server_->admin().verify_progress = {unverified, end};
  EXPECT_EQ(Run({"fsck"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("5 blobs and 2 layers verified"),
                                HasSubstr("1 layers came without a blob")));
  server_->admin().verify_progress = {bad, end};
  EXPECT_EQ(Run({"fsck"}), 1);
  EXPECT_FALSE(server_->admin().verify.repair());
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("layer sha256:77: file etc/passwd differs\n"
                              "  of image 0123456789ab\n"),
                    HasSubstr("gantryctl fsck --repair")));
  finding.set_repaired(true);
  server_->admin().verify_progress = {bad, end};
  EXPECT_EQ(Run({"fsck", "--repair"}), 0);
  EXPECT_TRUE(server_->admin().verify.repair());
  EXPECT_THAT(out_.str(), HasSubstr("  mended\n"));
  EXPECT_EQ(Run({"fsck", "--output", "json"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\"kind\": \"BAD_LAYER\""));
  EXPECT_EQ(Run({"fsck", "--mend"}), 2);
}

}  // namespace
}  // namespace gantry::ctl
