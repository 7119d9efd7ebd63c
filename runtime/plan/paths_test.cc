#include "runtime/plan/paths.h"

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::plan {
namespace {

TEST(CleanAbsolutePath, DropsDotsAndSlashes) {
  EXPECT_EQ(*CleanAbsolutePath("/a//b/./c/", "x"), "/a/b/c");
  EXPECT_EQ(*CleanAbsolutePath("/a/../b", "x"), "/b");
  EXPECT_EQ(*CleanAbsolutePath("/", "x"), "/");
}

TEST(CleanAbsolutePath, DotDotStopsAtTheRoot) {
  EXPECT_EQ(*CleanAbsolutePath("/../../etc", "x"), "/etc");
}

TEST(CleanAbsolutePath, RefusesWhatIsNoAbsolutePathAndNamesTheField) {
  EXPECT_EQ(CleanAbsolutePath("a/b", "cwd").status().message(),
            "cwd: \"a/b\" is not an absolute path");
  EXPECT_FALSE(CleanAbsolutePath("", "cwd").ok());
  EXPECT_FALSE(CleanAbsolutePath(std::string("/a\0b", 4), "cwd").ok());
  EXPECT_FALSE(CleanAbsolutePath("/" + std::string(5000, 'a'), "cwd").ok());
}

TEST(PathDepth, CountsComponents) {
  EXPECT_EQ(PathDepth("/"), 0);
  EXPECT_EQ(PathDepth("/dev"), 1);
  EXPECT_EQ(PathDepth("/sys/fs/cgroup"), 3);
}

TEST(IsBelowOrEqual, ComparesWholeComponents) {
  EXPECT_TRUE(IsBelowOrEqual("/proc", "/proc"));
  EXPECT_TRUE(IsBelowOrEqual("/proc/sys", "/proc"));
  EXPECT_FALSE(IsBelowOrEqual("/process", "/proc"));
  EXPECT_TRUE(IsBelowOrEqual("/x", "/"));
}

}  // namespace
}  // namespace gantry::plan
