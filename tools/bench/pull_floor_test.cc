#include "tools/bench/pull_floor.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/image/testing/compress.h"
#include "runtime/image/testing/tar_builder.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::bench {
namespace {

using ::testing::IsEmpty;

TEST(PullFloor, MeasuresEachPartAndLeavesNothing) {
  sys::testing::TempDir scratch;
  const std::string tar = image::TarBuilder()
                              .Dir("d")
                              .File("d/a", std::string(100000, 'a'))
                              .File("d/b", "b")
                              .HardLink("d/c", "d/a")
                              .Done();
  ASSERT_OK_AND_ASSIGN(
      std::unique_ptr<PullFloor> floor,
      PullFloor::Make({image::Gzipped(tar), image::Zstded(tar), tar},
                      scratch.path()));
  EXPECT_THAT(floor->Description(),
              ::testing::MatchesRegex(
                  "3 layers, 0\\.1 MB, inflated 0\\.3 MB in 6 files"));
  ASSERT_OK_AND_ASSIGN(PullFloorCosts costs, floor->Measure());
  EXPECT_GT(costs.all_cores, 0);
  EXPECT_GT(costs.hash_blobs, 0);
  EXPECT_GT(costs.inflate, 0);
  EXPECT_GT(costs.hash_plain, 0);
  EXPECT_GT(costs.write, 0);
  EXPECT_GE(costs.one_core,
            costs.hash_blobs + costs.inflate + costs.hash_plain + costs.write);
  EXPECT_THAT(*sys::ListDirAt(scratch.fd(), "."), IsEmpty());
}

TEST(PullFloor, DamagedLayersAreToldAtOnce) {
  sys::testing::TempDir scratch;
  std::string blob = image::Gzipped(image::TarBuilder().File("a", "a").Done());
  blob.resize(blob.size() / 2);
  EXPECT_FALSE(PullFloor::Make({blob}, scratch.path()).ok());
}

}  // namespace
}  // namespace gantry::bench
