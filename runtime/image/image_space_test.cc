#include "runtime/image/image_space.h"

#include <fcntl.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/image/importer.h"
#include "runtime/image/testing/sample_image.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::image {
namespace {

using ::testing::SizeIs;

class ImageSpaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = ImageStore::Open(dir_.fd(), nullptr);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  // Returns the id.
  std::string Load(const std::vector<std::string>& tars) {
    const SampleImage image = MakeImage(tars);
    auto fd =
        sys::OpenAt(files_.fd(), "archive", O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_OK(sys::WriteAll(
        fd->get(),
        TarOf(LayoutFiles({image}, IndexJson({DescriptorJson(
                                       kOciManifestType, image.manifest)})))));
    auto loaded = ImportPath(files_.path() + "/archive", store_.get(), {});
    EXPECT_OK(loaded);
    return loaded->at(0).id;
  }
  static std::string Tar(char of, size_t bytes) {
    return TarBuilder().File("f", std::string(bytes, of)).Done();
  }

  sys::testing::TempDir dir_;
  sys::testing::TempDir files_;
  std::unique_ptr<ImageStore> store_;
};

TEST_F(ImageSpaceTest, WhatSeveralImagesHaveIsShared) {
  const std::string big = Tar('b', 1 << 20);
  Load({big, Tar('x', 1 << 16)});
  std::vector<ImageSpace> space = SpaceOfImages(*store_);
  ASSERT_THAT(space, SizeIs(1));
  EXPECT_EQ(space[0].shared_bytes, 0);
  EXPECT_GT(space[0].own_bytes, (1 << 20) + (1 << 16));
  Load({big, Tar('y', 1 << 16)});
  space = SpaceOfImages(*store_);
  ASSERT_THAT(space, SizeIs(2));
  for (const ImageSpace& one : space) {
    EXPECT_GT(one.shared_bytes, 1 << 20);
    EXPECT_GT(one.own_bytes, 1 << 16);
    EXPECT_LT(one.own_bytes, 1 << 18);
  }
  EXPECT_EQ(space[0].shared_bytes, space[1].shared_bytes);
}

TEST_F(ImageSpaceTest, SpaceWithoutIsWhatARemovalFrees) {
  const std::string big = Tar('b', 1 << 20);
  const std::string one = Load({big, Tar('x', 1 << 16)});
  const std::string two = Load({big, Tar('y', 1 << 16)});
  EXPECT_EQ(SpaceWithout(*store_, {}, nullptr), 0);
  const int64_t first = SpaceWithout(*store_, {one}, nullptr);
  const int64_t both = SpaceWithout(*store_, {one, two}, nullptr);
  for (const ImageSpace& space : SpaceOfImages(*store_)) {
    if (space.image.id() != one) continue;
    EXPECT_EQ(first, space.own_bytes);
  }
  EXPECT_GT(both, first + (1 << 20));
  // A container has the big layer.
  EXPECT_LT(SpaceWithout(*store_, {one, two},
                         [](const std::string& dir) { return dir == "1/fs"; }),
            both - (1 << 20));
  const int64_t before = rootfs::UsageOf(dir_.fd())->bytes;
  ASSERT_OK(store_->Remove(one, nullptr));
  // Besides the records and directories around them.
  EXPECT_NEAR(before - rootfs::UsageOf(dir_.fd())->bytes, first, 1 << 15);
}

}  // namespace
}  // namespace gantry::image
