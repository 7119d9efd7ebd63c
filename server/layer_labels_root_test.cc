// The attribute can be set without SELinux in the kernel, by root.

#include <fcntl.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/security_label.h"
#include "runtime/sys/testing/fake_tree.h"
#include "server/layer_labels.h"

namespace gantry::server {
namespace {

using ::gantry::testing::IsOk;

constexpr char kOld[] = "system_u:object_r:var_lib_t:s0";
constexpr char kNew[] = "system_u:object_r:container_ro_file_t:s0";

class LabelLayersTest : public ::testing::Test {
 protected:
  std::string LabelAt(const std::string& path) {
    return sys::LabelOf(Open(path).get()).value();
  }
  void Label(const std::string& path, const std::string& label) {
    ASSERT_THAT(sys::SetLabel(Open(path).get(), label), IsOk());
  }
  std::string Layers() { return tree_.path() + "/layers"; }

 private:
  UniqueFd Open(const std::string& path) {
    return sys::OpenAt(tree_.fd(), path, O_PATH | O_NOFOLLOW).value();
  }

  sys::testing::FakeTree tree_{{sys::testing::Dir(
      "layers", {sys::testing::Dir("a", {sys::testing::File("file", "x")})})}};
};

TEST_F(LabelLayersTest, LayersOfBeforeGetIt) {
  Label("layers", kOld);
  Label("layers/a/file", kOld);
  ASSERT_THAT(LabelLayers(Layers(), kNew), IsOk());
  for (const char* path : {"layers", "layers/a", "layers/a/file"}) {
    EXPECT_EQ(LabelAt(path), kNew) << path;
  }
}

// As it would be after each layer that is made: no start walks over them again.
TEST_F(LabelLayersTest, WhatHasItIsNotWalkedOver) {
  Label("layers", kNew);
  Label("layers/a/file", kOld);
  ASSERT_THAT(LabelLayers(Layers(), kNew), IsOk());
  EXPECT_EQ(LabelAt("layers/a/file"), kOld);
}

}  // namespace
}  // namespace gantry::server
