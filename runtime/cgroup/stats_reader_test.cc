#include "runtime/cgroup/stats_reader.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/testing/fake_cgroupfs.h"

namespace gantry::cgroup {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeCgroupfs;
using ::testing::UnorderedElementsAre;

TEST(StatsReader, V1) {
  FakeCgroupfs fs({
      {"cpuacct/p/cpuacct.usage", "5000\n"},
      {"cpuacct/p/cpuacct.usage_user", "4000\n"},
      {"cpuacct/p/cpuacct.usage_sys", "1000\n"},
      {"cpu/p/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 77\n"},
      {"memory/p/memory.usage_in_bytes", "1000\n"},
      {"memory/p/memory.memsw.usage_in_bytes", "1100\n"},
      {"memory/p/memory.stat",
       "rss 1\npgfault 4\npgmajfault 1\n"
       "hierarchical_memory_limit 4000\nhierarchical_memsw_limit 6000\n"
       "total_cache 450\ntotal_rss 500\ntotal_mapped_file 40\n"
       "total_swap 100\ntotal_pgfault 9\ntotal_pgmajfault 2\n"
       "total_inactive_file 300\ntotal_active_file 150\n"},
      {"memory/p/memory.max_usage_in_bytes", "1500\n"},
      {"memory/p/memory.kmem.usage_in_bytes", "60\n"},
      {"memory/p/memory.failcnt", "7\n"},
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
  EXPECT_THAT(stats.io.devices,
              ElementsAre(DeviceIo{8, 0, 10, 20, 2, 3}, DeviceIo{8, 16, 1}));
  EXPECT_EQ(stats.memory.cache_bytes, 450);
  EXPECT_EQ(stats.memory.mapped_file_bytes, 40);
  EXPECT_EQ(stats.memory.active_file_bytes, 150);
  EXPECT_EQ(stats.memory.inactive_file_bytes, 300);
  EXPECT_EQ(stats.memory.kernel_bytes, 60);
  EXPECT_EQ(stats.memory.max_usage_bytes, 1500);
  EXPECT_EQ(stats.memory.limit_hits, 7);
  EXPECT_EQ(stats.memory.own_page_faults, 4);
  EXPECT_EQ(stats.oom_kills, 3);
  EXPECT_THAT(reader.OomKills(), IsOkAndHolds(3));

  // The files that are not asked for are not read.
  ASSERT_OK_AND_ASSIGN(stats, reader.Read(Scope::kUsage));
  EXPECT_EQ(stats.cpu.usage_ns, 5000);
  EXPECT_EQ(stats.memory.working_set_bytes, 700);
  EXPECT_EQ(stats.cpu.user_ns, std::nullopt);
  EXPECT_EQ(stats.memory.cache_bytes, std::nullopt);
  EXPECT_EQ(stats.pids.current, std::nullopt);
  EXPECT_EQ(stats.oom_kills, std::nullopt);
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
       "anon 600\nfile 350\nkernel 50\nfile_mapped 30\ninactive_file 200\n"
       "active_file 100\npgfault 7\npgmajfault 1\n"},
      {"unified/p/memory.peak", "2000\n"},
      {"unified/p/memory.max", "3000\n"},
      {"unified/p/memory.swap.current", "5\n"},
      {"unified/p/memory.swap.max", "50\n"},
      {"unified/p/memory.events", "low 0\nmax 4\noom 2\noom_kill 1\n"},
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
  EXPECT_EQ(stats.memory.cache_bytes, 350);
  EXPECT_EQ(stats.memory.mapped_file_bytes, 30);
  EXPECT_EQ(stats.memory.active_file_bytes, 100);
  EXPECT_EQ(stats.memory.kernel_bytes, 50);
  EXPECT_EQ(stats.memory.max_usage_bytes, 2000);
  EXPECT_EQ(stats.memory.limit_hits, 4);
  EXPECT_EQ(stats.memory.own_page_faults, std::nullopt);
  EXPECT_THAT(stats.io.devices, ElementsAre(DeviceIo{8, 0, 1, 2, 3, 4},
                                            DeviceIo{8, 16, 10, 0, 1, 0}));
  EXPECT_EQ(stats.oom_kills, 1);
  EXPECT_THAT(reader.OomKills(), IsOkAndHolds(1));
}

TEST(StatsReader, KeepsADirectoryPerHierarchyThatCounts) {
  FakeCgroupfs fs({
      {"cpuacct/p/cpuacct.usage", "5000\n"},
      {"memory/p/memory.usage_in_bytes", "1000\n"},
      {"freezer/p/freezer.state", "THAWED\n"},
      {"unified/p/cpu.pressure",
       "some avg10=2.00 avg60=0.00 avg300=0.00 total=9\n"},
  });
  const std::vector<std::string> none;
  const Hierarchies hierarchies =
      fs.Open({"cpuacct", "memory", "freezer"}, &none);
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::Open(hierarchies, "p"));
  EXPECT_GE(reader.fds(), 3);
  EXPECT_LE(reader.fds(), 4);
  ASSERT_OK_AND_ASSIGN(Stats stats, reader.Read());
  EXPECT_EQ(stats.cpu.usage_ns, 5000);
  EXPECT_EQ(stats.memory.usage_bytes, 1000);
  ASSERT_TRUE(stats.cpu.pressure.has_value());
  EXPECT_EQ(stats.cpu.pressure->some.avg10_percent, 2);

  fs.Remove("cpuacct/p");
  fs.Remove("memory/p");
  fs.Remove("freezer/p");
  fs.Remove("unified/p");
  EXPECT_THAT(reader.Read(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(StatsReader::Open(hierarchies, "p"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(StatsReader, PressureThatTheKernelDoesNotGiveIsNotAskedForAgain) {
  // As where it is switched off: the files are there and cannot be read.
  FakeCgroupfs fs({{"unified/p/cpu.stat", "usage_usec 5\n"}});
  const std::vector<std::string> none;
  const Hierarchies hierarchies = fs.Open({}, &none);
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::Open(hierarchies, "p"));
  fs.Put("unified/p/cpu.pressure", "some avg10=1.00 total=1\n");
  ASSERT_OK_AND_ASSIGN(Stats stats, reader.Read());
  EXPECT_EQ(stats.cpu.usage_ns, 5000);
  EXPECT_FALSE(stats.cpu.pressure.has_value());
}

TEST(StatsReader, ProcessesBelowAreCounted) {
  FakeCgroupfs fs({{"unified/p/cgroup.procs", "10\n11\n"},
                   {"unified/p/below/cgroup.procs", "12\n"}});
  const std::vector<std::string> none;
  const Hierarchies hierarchies = fs.Open({}, &none);
  ASSERT_OK_AND_ASSIGN(StatsReader reader, StatsReader::For(hierarchies, "p"));
  EXPECT_THAT(reader.Processes(),
              IsOkAndHolds(UnorderedElementsAre(10, 11, 12)));
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
