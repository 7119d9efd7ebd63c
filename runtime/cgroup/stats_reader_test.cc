#include "runtime/cgroup/stats_reader.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using testing::FakeCgroupfs;

TEST(StatsReader, V1) {
  FakeCgroupfs fs({
      {"cpuacct/p/cpuacct.usage", "5000\n"},
      {"cpuacct/p/cpuacct.usage_user", "4000\n"},
      {"cpuacct/p/cpuacct.usage_sys", "1000\n"},
      {"cpu/p/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 77\n"},
      {"memory/p/memory.usage_in_bytes", "1000\n"},
      {"memory/p/memory.memsw.usage_in_bytes", "1100\n"},
      {"memory/p/memory.stat",
       "rss 1\nhierarchical_memory_limit 4000\nhierarchical_memsw_limit 6000\n"
       "total_swap 100\ntotal_rss 500\ntotal_pgfault 9\ntotal_pgmajfault 2\n"
       "total_inactive_file 300\n"},
      {"memory/p/memory.oom_control",
       "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"},
      {"pids/p/pids.current", "6\n"},
      {"pids/p/pids.max", "max\n"},
      {"blkio/p/blkio.throttle.io_service_bytes_recursive",
       "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\nTotal 31\n"},
      {"blkio/p/blkio.throttle.io_serviced_recursive",
       "8:0 Read 2\n8:0 Write 3\nTotal 5\n"},
  });
  const Hierarchies hierarchies =
      fs.Open({"cpuacct", "cpu", "memory", "pids", "blkio"}, nullptr);
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::For(hierarchies, "p"));
  ASSERT_OK_AND_ASSIGN(Stats stats, reader.Read());
  EXPECT_EQ(stats.cpu.usage_ns, 5000);
  EXPECT_EQ(stats.cpu.user_ns, 4000);
  EXPECT_EQ(stats.cpu.throttled_periods, 4);
  EXPECT_EQ(stats.cpu.throttled_ns, 77);
  EXPECT_EQ(stats.memory.usage_bytes, 1000);
  EXPECT_EQ(stats.memory.working_set_bytes, 700);
  EXPECT_EQ(stats.memory.rss_bytes, 500);
  EXPECT_EQ(stats.memory.page_faults, 9);
  EXPECT_EQ(stats.memory.limit_bytes, 4000);
  EXPECT_EQ(stats.memory.available_bytes, 3300);
  EXPECT_EQ(stats.memory.swap_usage_bytes, 100);
  EXPECT_EQ(stats.memory.swap_available_bytes, 1900);
  EXPECT_EQ(stats.pids.current, 6);
  EXPECT_EQ(stats.pids.limit, std::nullopt);
  EXPECT_EQ(stats.io.read_bytes, 11);
  EXPECT_EQ(stats.io.write_bytes, 20);
  EXPECT_EQ(stats.io.write_operations, 3);
  EXPECT_THAT(reader.OomKills(), IsOkAndHolds(3));
}

TEST(StatsReader, V2) {
  FakeCgroupfs fs({
      {"unified/p/cpu.stat",
       "usage_usec 5\nuser_usec 4\nsystem_usec 1\nnr_periods 3\n"
       "nr_throttled 2\nthrottled_usec 8\n"},
      {"unified/p/cpu.pressure",
       "some avg10=2.00 avg60=0.00 avg300=0.00 total=9\n"},
      {"unified/p/memory.current", "1000\n"},
      {"unified/p/memory.stat",
       "anon 600\ninactive_file 200\npgfault 7\npgmajfault 1\n"},
      {"unified/p/memory.max", "3000\n"},
      {"unified/p/memory.swap.current", "5\n"},
      {"unified/p/memory.swap.max", "50\n"},
      {"unified/p/memory.events", "low 0\noom 2\noom_kill 1\n"},
      {"unified/p/pids.current", "2\n"},
      {"unified/p/pids.max", "100\n"},
      {"unified/p/io.stat",
       "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"
       "8:16 rbytes=10 wbytes=0 rios=1 wios=0 dbytes=9 dios=9\n"},
      {"unified/p/hugetlb.2MB.current", "2097152\n"},
      {"unified/p/hugetlb.2MB.max", "max\n"},
  });
  const std::vector<std::string> all = {"cpu", "memory", "pids", "io",
                                        "hugetlb"};
  Hierarchies opened = fs.Open({}, &all);
  Layout layout = opened.layout();
  layout.huge_page_sizes = {"2MB", "1GB"};
  ASSERT_OK_AND_ASSIGN(const Hierarchies hierarchies,
                       Hierarchies::Open(layout, fs.fd()));
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::For(hierarchies, "p"));
  ASSERT_OK_AND_ASSIGN(Stats stats, reader.Read());
  EXPECT_EQ(stats.cpu.usage_ns, 5000);
  EXPECT_EQ(stats.cpu.throttled_ns, 8000);
  ASSERT_TRUE(stats.cpu.pressure.has_value());
  EXPECT_EQ(stats.cpu.pressure->some.total_us, 9);
  EXPECT_FALSE(stats.io.pressure.has_value());
  EXPECT_EQ(stats.memory.working_set_bytes, 800);
  EXPECT_EQ(stats.memory.available_bytes, 2200);
  EXPECT_EQ(stats.memory.rss_bytes, 600);
  EXPECT_EQ(stats.memory.swap_available_bytes, 45);
  EXPECT_EQ(stats.pids.limit, 100);
  EXPECT_EQ(stats.io.read_bytes, 11);
  EXPECT_EQ(stats.io.read_operations, 4);
  ASSERT_EQ(stats.hugepages.size(), 1);
  EXPECT_EQ(stats.hugepages[0].usage_bytes, 2097152);
  EXPECT_EQ(stats.hugepages[0].limit_bytes, std::nullopt);
  EXPECT_THAT(reader.OomKills(), IsOkAndHolds(1));
}

TEST(StatsReader, MissingCgroupIsNotFound) {
  FakeCgroupfs fs;
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::For(hierarchies, "p"));
  EXPECT_THAT(reader.Read(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(reader.OomKills(), StatusIs(absl::StatusCode::kNotFound));
}

TEST(StatsReader, MissingFilesAreUnsetCounters) {
  FakeCgroupfs fs({{"memory/p/x", ""}});
  const Hierarchies hierarchies = fs.Open({"memory"}, nullptr);
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::For(hierarchies, "p"));
  ASSERT_OK_AND_ASSIGN(Stats stats, reader.Read());
  EXPECT_EQ(stats.memory.usage_bytes, std::nullopt);
  EXPECT_EQ(stats.cpu.usage_ns, std::nullopt);
}

}  // namespace
}  // namespace gantry::cgroup
