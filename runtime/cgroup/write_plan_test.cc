#include "runtime/cgroup/write_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::StatusIs;
using testing::FakeCgroupfs;
using ::testing::HasSubstr;

constexpr char kPath[] = "pod/c";

TEST(PerformWrites, WritesInOrder) {
  FakeCgroupfs fs({{"pod/c/a", ""}, {"pod/c/b", ""}});
  ASSERT_OK(PerformWrites({fs.fd(), kPath},
                          {{"a", "1"}, {"b", "2"}, {"a", "3"}}, nullptr));
  EXPECT_EQ(fs.Get("pod/c/a"), "3");
  EXPECT_EQ(fs.Get("pod/c/b"), "2");
}

TEST(PerformWrites, MissingFileIsSkippedOnlyWhereThatIsRight) {
  FakeCgroupfs fs({{"pod/c/a", ""}});
  EXPECT_OK(PerformWrites({fs.fd(), kPath},
                          {{"swap", "1", IfMissing::kSkip}, {"a", "1"}},
                          nullptr));
  EXPECT_EQ(fs.Get("pod/c/a"), "1");
  EXPECT_THAT(PerformWrites({fs.fd(), kPath}, {{"swap", "1"}}, nullptr),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("has no swap")));
}

TEST(PerformWrites, MissingCgroupIsNotTakenForAMissingFile) {
  FakeCgroupfs fs;
  EXPECT_THAT(
      PerformWrites({fs.fd(), kPath}, {{"x", "1", IfMissing::kSkip}}, nullptr),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr(kPath)));
}

TEST(PerformWrites, SecondNameIsUsedWithoutTheFirst) {
  FakeCgroupfs fs({{"pod/c/new", ""}});
  const Writes writes = {{"old", "1", IfMissing::kNext}, {"new", "2"}};
  ASSERT_OK(PerformWrites({fs.fd(), kPath}, writes, nullptr));
  EXPECT_EQ(fs.Get("pod/c/new"), "2");
  fs.Put("pod/c/old", "");
  fs.Put("pod/c/new", "untouched");
  ASSERT_OK(PerformWrites({fs.fd(), kPath}, writes, nullptr));
  EXPECT_EQ(fs.Get("pod/c/old"), "1");
  EXPECT_EQ(fs.Get("pod/c/new"), "untouched");
}

// Files on a real file system keep the tail of a longer old text, so values
// here have equal lengths.
TEST(PerformWrites, UndoPutsValuesBack) {
  FakeCgroupfs fs({{"pod/c/a", "1"}, {"pod/c/w", "default 100\n8:0 200\n"}});
  UndoStack undo;
  ASSERT_OK(PerformWrites({fs.fd(), kPath}, {{"a", "2"}, {"w", "555"}}, &undo));
  EXPECT_EQ(fs.Get("pod/c/a"), "2");
  ASSERT_OK(undo.Run());
  EXPECT_EQ(fs.Get("pod/c/a"), "1");
  EXPECT_THAT(fs.Get("pod/c/w"), ::testing::StartsWith("100"));
}

TEST(PerformWrites, UndoOfADeviceLineIsItsOldLineOrItsReset) {
  FakeCgroupfs fs({{"pod/c/io.max", "8:0 rbps=7 wbps=max\n"}});
  for (const auto& [key, want] : std::map<std::string, std::string>{
           {"8:0", "8:0 rbps=7 wbps=max"}, {"8:16", "8:16 rbps=max"}}) {
    fs.Put("pod/c/io.max", "8:0 rbps=7 wbps=max\n");
    UndoStack undo;
    ASSERT_OK(PerformWrites(
        {fs.fd(), kPath},
        {{"io.max", key + " rbps=1", IfMissing::kFail, key + " rbps=max"}},
        &undo));
    ASSERT_OK(undo.Run());
    EXPECT_THAT(fs.Get("pod/c/io.max"), ::testing::StartsWith(want));
  }
}

TEST(PerformWrites, ErrorNamesFileValueAndCgroup) {
  FakeCgroupfs fs;
  fs.PutBroken("pod/c/a");
  EXPECT_THAT(PerformWrites({fs.fd(), kPath}, {{"a", "5"}}, nullptr).message(),
              ::testing::AllOf(HasSubstr("set a to \"5\""), HasSubstr(kPath)));
}

}  // namespace
}  // namespace gantry::cgroup
