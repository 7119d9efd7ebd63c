#include "runtime/cgroup/detect.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kV2Mounts[] =
    "22 27 0:21 / /proc rw - proc proc rw\n"
    "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "31 27 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
    "rw,nsdelegate\n";

constexpr char kHybridMounts[] =
    "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "31 27 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup "
    "rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
    "rw,xattr,release_agent=/x,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

constexpr char kHybridCgroup[] =
    "4:memory:/process/abc:def\n"
    "3:name=systemd:/\n"
    "2:cpu,cpuacct:/\n"
    "1:pids:/\n"
    "0::/\n";

TEST(DecideLayout, PureV2) {
  const auto layout =
      DecideLayout({kV2Mounts,
                    "0::/init.scope\n",
                    {{"/sys/fs/cgroup", "cpuset cpu io memory pids\n"}}});
  ASSERT_OK(layout);
  EXPECT_EQ(ModeOf(*layout), Mode::kV2);
  EXPECT_THAT(
      layout->hierarchies,
      ElementsAre(Hierarchy{Version::kV2,
                            "/sys/fs/cgroup",
                            "/",
                            {"cpuset", "cpu", "io", "memory", "pids"}}));
}

TEST(DecideLayout, HybridWhoseCgroup2HoldsAController) {
  const auto layout = DecideLayout({kHybridMounts,
                                    kHybridCgroup,
                                    {{"/sys/fs/cgroup/unified", "hugetlb\n"}}});
  ASSERT_OK(layout);
  EXPECT_EQ(ModeOf(*layout), Mode::kHybrid);
  EXPECT_THAT(
      layout->hierarchies,
      ElementsAre(
          Hierarchy{Version::kV1,
                    "/sys/fs/cgroup/cpu,cpuacct",
                    "/",
                    {"cpu", "cpuacct"}},
          Hierarchy{Version::kV1, "/sys/fs/cgroup/memory", "/", {"memory"}},
          Hierarchy{
              Version::kV1, "/sys/fs/cgroup/systemd", "/", {"name=systemd"}},
          Hierarchy{Version::kV2, "/sys/fs/cgroup/unified", "/", {"hugetlb"}}));
  EXPECT_EQ(FindController(*layout, "hugetlb"), 3);
  // Compiled in, but mounted nowhere.
  EXPECT_EQ(FindController(*layout, "pids"), std::nullopt);
}

TEST(DecideLayout, HybridWhoseCgroup2HoldsNothing) {
  const auto layout = DecideLayout({kHybridMounts, kHybridCgroup, {}});
  ASSERT_OK(layout);
  EXPECT_EQ(ModeOf(*layout), Mode::kHybrid);
  EXPECT_THAT(layout->hierarchies[3].controllers, IsEmpty());
}

TEST(DecideLayout, PureV1) {
  const auto layout =
      DecideLayout({"35 31 0:32 / /cgroup/memory rw - cgroup none rw,memory\n",
                    "1:memory:/\n",
                    {}});
  ASSERT_OK(layout);
  EXPECT_EQ(ModeOf(*layout), Mode::kV1);
}

TEST(DecideLayout, MountThatShowsMoreWins) {
  const auto layout =
      DecideLayout({"1 0 0:1 / / rw - ext4 d rw\n"
                    "2 1 0:32 /docker/x /a rw - cgroup c rw,memory\n"
                    "3 1 0:32 / /b rw - cgroup c rw,memory\n"
                    "4 1 0:32 / /sys/fs/cgroup/memory rw - cgroup c rw,memory\n"
                    "5 1 0:32 / /c rw - cgroup c rw,memory\n",
                    "1:memory:/\n",
                    {}});
  ASSERT_OK(layout);
  EXPECT_THAT(layout->hierarchies,
              ElementsAre(Hierarchy{
                  Version::kV1, "/sys/fs/cgroup/memory", "/", {"memory"}}));
}

TEST(DecideLayout, HiddenMountsDoNotCount) {
  // v1 mounts below a directory that a cgroup2 was mounted over later.
  const auto layout =
      DecideLayout({"1 0 0:1 / / rw - ext4 d rw\n"
                    "2 1 0:2 / /sys/fs/cgroup/memory rw - cgroup c rw,memory\n"
                    "3 1 0:3 / /sys/fs/cgroup rw - tmpfs c rw\n"
                    "4 3 0:4 / /sys/fs/cgroup rw - cgroup2 c rw\n",
                    "1:memory:/\n0::/\n",
                    {}});
  ASSERT_OK(layout);
  EXPECT_EQ(ModeOf(*layout), Mode::kV2);
}

TEST(DecideLayout, EscapedMountPathIsUnescaped) {
  const auto layout = DecideLayout(
      {"2 1 0:2 / /my\\040cgroup rw - cgroup2 c rw\n", "0::/\n", {}});
  ASSERT_OK(layout);
  EXPECT_EQ(layout->hierarchies[0].mount_path, "/my cgroup");
}

TEST(DecideLayout, NoCgroupsIsAnError) {
  EXPECT_THAT(DecideLayout({"1 0 0:1 / / rw - ext4 d rw\n", "", {}}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(DecideLayout, MalformedLinesAreNamedAndNeverCrash) {
  const std::string good = kHybridMounts;
  EXPECT_THAT(
      DecideLayout({"1 0 0:1 / / rw - ext4 d rw\nrubbish\n", "", {}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2")));
  for (size_t length = 0; length < good.size(); ++length) {
    (void)DecideLayout({good.substr(0, length), kHybridCgroup, {}});
    (void)DecideLayout({good, good.substr(length), {}});
    std::string broken = good;
    broken[length] = '\\';
    (void)DecideLayout({broken, broken, {}});
  }
}

TEST(DetectLayout, ReadsTheThreeKindsOfFiles) {
  const testing::FakeCgroupfs root(
      {{"proc/self/mountinfo", kHybridMounts},
       {"proc/self/cgroup", kHybridCgroup},
       {"sys/fs/cgroup/unified/cgroup.controllers", "hugetlb rdma\n"},
       {"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0"},
       {"sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0"},
       {"sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "0"}});
  const auto layout = DetectLayout(root.fd());
  ASSERT_OK(layout);
  EXPECT_THAT(layout->hierarchies[3].controllers,
              ElementsAre("hugetlb", "rdma"));
  EXPECT_THAT(layout->huge_page_sizes, ElementsAre("1GB", "2MB", "64KB"));
}

TEST(NormalizeCgroupPath, DropsTheLeadingSlashOnly) {
  EXPECT_THAT(NormalizeCgroupPath("/kubepods/pod1/c.1"),
              IsOkAndHolds(std::string("kubepods/pod1/c.1")));
  EXPECT_THAT(NormalizeCgroupPath("a"), IsOkAndHolds(std::string("a")));
}

TEST(NormalizeCgroupPath, RefusesWhatCouldLeaveTheHierarchy) {
  for (const char* bad :
       {"", "/", "..", "a/../b", "a/.", "a//b", "//a", "a/", "a\nb"}) {
    EXPECT_THAT(NormalizeCgroupPath(bad),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
  EXPECT_THAT(NormalizeCgroupPath(std::string(256, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace gantry::cgroup
