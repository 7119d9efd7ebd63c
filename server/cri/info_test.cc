#include "server/cri/info.h"

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/json/json.h"
#include "server/cri/json_object.h"

namespace gantry::cri {
namespace {

using testing::IsOkAndHolds;

TEST(JsonObject, EscapesWhatItIsGiven) {
  JsonObject object;
  object.Text("a\"b", "x\n\"")
      .Number("n", -1)
      .Flag("f", true)
      .Texts("l", std::vector<std::string>{"1", "\\"});
  ASSERT_OK_AND_ASSIGN(json::Value value,
                       json::Value::Parse(object.Finish(), "object"));
  EXPECT_THAT(value.StringField("a\"b"), IsOkAndHolds("x\n\""));
  EXPECT_THAT(value.IntField("n"), IsOkAndHolds(-1));
  EXPECT_THAT(value.BoolField("f"), IsOkAndHolds(true));
}

TEST(ContainerInfo, IsJsonAndNamesTheDirectories) {
  record::ContainerRecord container;
  container.set_state(record::ContainerRecord::RUNNING);
  container.mutable_started()->set_pid(77);
  spec::Rootfs& rootfs = *container.mutable_spec()->mutable_rootfs();
  rootfs.set_layers_dir("/i/layers");
  rootfs.add_lower_dirs("2/fs");
  rootfs.add_lower_dirs("1/fs");
  rootfs.set_upper_dir("/c/upper");
  rootfs.set_work_dir("/c/work");
  rootfs.set_mount_point("/r/rootfs");
  ASSERT_OK_AND_ASSIGN(
      json::Value value,
      json::Value::Parse(
          ContainerInfo(container, runtime::v1::ContainerConfig()), "info"));
  EXPECT_THAT(value.IntField("pid"), IsOkAndHolds(77));
  json::Value dirs = *value.Find("rootfs");
  EXPECT_THAT(
      dirs.StringListField("lower"),
      IsOkAndHolds(::testing::ElementsAre("/i/layers/2/fs", "/i/layers/1/fs")));
  EXPECT_THAT(dirs.StringField("upper"), IsOkAndHolds("/c/upper"));
  EXPECT_THAT(dirs.StringField("merged_seen_from_host"),
              IsOkAndHolds("/proc/77/root"));
}

TEST(ImageInfo, IsJsonWithLayersAndHistory) {
  record::ImageRecord image;
  image.set_id("sha256:1");
  image.add_layers()->set_diff_id("sha256:2");
  image.mutable_config()->add_history()->set_created_by("COPY \"x\"");
  (*image.mutable_config()->mutable_labels())["k"] = "v";
  ASSERT_OK_AND_ASSIGN(json::Value value,
                       json::Value::Parse(ImageInfo(image, {}), "info"));
  ASSERT_OK_AND_ASSIGN(std::vector<json::Value> layers,
                       value.ArrayField("layers"));
  ASSERT_EQ(layers.size(), 1);
  EXPECT_THAT(layers[0].StringField("diff_id"), IsOkAndHolds("sha256:2"));
  ASSERT_OK_AND_ASSIGN(std::vector<json::Value> history,
                       value.ArrayField("history"));
  EXPECT_THAT(history[0].StringField("created_by"), IsOkAndHolds("COPY \"x\""));
}

TEST(PodInfo, HoldsTheClientsConfiguration) {
  runtime::v1::PodSandboxConfig config;
  config.set_hostname("web");
  ASSERT_OK_AND_ASSIGN(
      json::Value value,
      json::Value::Parse(PodInfo(record::PodRecord(), config), "info"));
  EXPECT_THAT(value.Find("config")->StringField("hostname"),
              IsOkAndHolds("web"));
}

}  // namespace
}  // namespace gantry::cri
