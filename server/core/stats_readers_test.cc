#include "server/core/stats_readers.h"

#include <fcntl.h>

#include <string>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::core {
namespace {

using ::gantry::testing::StatusIs;

class StatsReadersTest : public ::testing::Test {
 protected:
  StatsReadersTest() {
    for (const char* path :
         {"memory/a", "memory/b", "cpuacct/a", "cpuacct/b"}) {
      EXPECT_OK(sys::MkdirAllAt(dir_.fd(), path, 0700));
    }
    cgroup::Layout layout;
    for (const char* name : {"memory", "cpuacct"}) {
      layout.hierarchies.push_back(
          {cgroup::Version::kV1, std::string("/") + name, "/", {name}});
    }
    hierarchies_.emplace(cgroup::Hierarchies::Open(layout, dir_.fd()).value());
  }

  sys::testing::TempDir dir_;
  std::optional<cgroup::Hierarchies> hierarchies_;
};

TEST_F(StatsReadersTest, AreKeptUntilForgotten) {
  StatsReaders readers(*hierarchies_, 100);
  ASSERT_OK_AND_ASSIGN(StatsReaders::Ptr first, readers.Get("1", "/a"));
  ASSERT_OK_AND_ASSIGN(StatsReaders::Ptr again, readers.Get("1", "/a"));
  EXPECT_EQ(first, again);
  EXPECT_EQ(readers.fds(), 2);
  readers.Forget("1");
  readers.Forget("unknown");
  EXPECT_EQ(readers.fds(), 0);
  ASSERT_OK_AND_ASSIGN(again, readers.Get("1", "/a"));
  EXPECT_NE(first, again);
}

TEST_F(StatsReadersTest, BeyondTheBoundNothingIsKept) {
  StatsReaders readers(*hierarchies_, 1);
  ASSERT_OK(readers.Get("1", "/a"));
  ASSERT_OK_AND_ASSIGN(StatsReaders::Ptr other, readers.Get("2", "/b"));
  EXPECT_EQ(other->fds(), 0);
  EXPECT_OK(other->Read());
  EXPECT_EQ(readers.fds(), 2);
}

TEST_F(StatsReadersTest, ACgroupThatIsNotThereIsNotFound) {
  StatsReaders readers(*hierarchies_, 100);
  EXPECT_THAT(readers.Get("1", "/none"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(readers.fds(), 0);
}

}  // namespace
}  // namespace gantry::core
