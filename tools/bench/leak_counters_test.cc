#include "tools/bench/leak_counters.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::StatusIs;
using sys::testing::Dir;
using sys::testing::File;
using sys::testing::Symlink;
using ::testing::HasSubstr;

constexpr char kStat[] = " (x) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 0\n";
constexpr char kMounts[] =
    "21 1 0:20 / / rw - ext4 /dev/x rw\n"
    "22 21 0:4 net:[402] /run/a/net rw - nsfs nsfs rw\n"
    "23 21 0:4 ipc:[403] /run/a/ipc rw - nsfs nsfs rw\n";
constexpr char kLinks[] = "Inter-| x\n face | x\n  lo: 1\n br0: 2\n";

class LeakCountersTest : public ::testing::Test {
 protected:
  LeakCountersTest()
      : proc_({File("programs/server"), File("programs/shim"),
               File("7/stat", std::string("7") + kStat),
               File("7/cmdline", "server"),
               Symlink("7/exe", "../programs/server"),
               Dir("7/task", {Dir("7"), Dir("70")}),
               Dir("7/fd", {File("0"), File("1"), File("5")}),
               File("7/statm", "300 20 10\n"), File("7/mountinfo", kMounts),
               File("7/net/dev", kLinks), Symlink("7/ns/net", "net:[400]"),
               File("8/stat", std::string("8") + kStat),
               File("8/cmdline", "shim"), Symlink("8/exe", "../programs/shim"),
               File("8/statm", "300 5 1\n"), Symlink("8/ns/net", "net:[401]"),
               Symlink("8/ns/uts", "uts:[404]")}),
        cgroups_({Dir("cpu", {Dir("a", {Dir("b")}), File("tasks")}),
                  Dir("memory", {Dir("a")})}) {
    sources_.procfd = proc_.fd();
    sources_.cgroupfd = cgroups_.fd();
    sources_.server = 7;
  }
  int64_t Count(const std::string& name) {
    const auto counters = ReadLeakCounters(sources_);
    EXPECT_OK(counters);
    for (const LeakCounter& counter : *counters) {
      if (counter.name == name) return counter.count;
    }
    return -1;
  }

  sys::testing::FakeTree proc_;
  sys::testing::FakeTree cgroups_;
  LeakSources sources_;
};

TEST_F(LeakCountersTest, CountWhatTheFilesSay) {
  EXPECT_EQ(Count("server processes"), 1);
  EXPECT_EQ(Count("server threads"), 2);
  EXPECT_EQ(Count("server fds"), 3);
  EXPECT_EQ(Count("server RSS"), 20 * getpagesize());
  EXPECT_EQ(Count("runtime processes"), 0);
  EXPECT_EQ(Count("runtime RSS"), 0);
  EXPECT_EQ(Count("mounts"), 3);
  EXPECT_EQ(Count("cgroups"), 5);
  EXPECT_EQ(Count("network namespaces"), 3);
  EXPECT_EQ(Count("other namespaces"), 2);
  EXPECT_EQ(Count("links"), 2);
  EXPECT_EQ(Count("nft rules"), -1);
  EXPECT_EQ(Count("root inodes"), -1);
}

TEST_F(LeakCountersTest, KnowRuntimeProcessesByTheirPrograms) {
  ASSERT_OK_AND_ASSIGN(const std::vector<Process> all,
                       ReadProcesses(proc_.fd()));
  for (const Process& process : all) {
    if (process.id.pid == 8) sources_.programs.insert(process.program);
  }
  EXPECT_EQ(Count("runtime processes"), 1);
  EXPECT_EQ(Count("runtime RSS"), 5 * getpagesize());
}

TEST_F(LeakCountersTest, ADirectoryIsAddedUpWithEachFileOnce) {
  sys::testing::FakeTree root(
      {File("a", "x"), Dir("d", {File("b", "y")}), Symlink("l", "/nowhere")});
  ASSERT_EQ(link((root.path() + "/a").c_str(), (root.path() + "/c").c_str()),
            0);
  sources_.rootfd = root.fd();
  EXPECT_EQ(Count("root inodes"), 5);  // itself, a, d, b, l
  EXPECT_GT(Count("root bytes"), 0);
}

TEST_F(LeakCountersTest, AServerThatHasEndedIsToldAndNotCounted) {
  sources_.server = 9;
  EXPECT_THAT(ReadLeakCounters(sources_),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(LeakLine, StandsBelowItsHeading) {
  const LeakCounters counters = {{"mounts", "", 42}, {"server RSS", "B", 7}};
  EXPECT_EQ(LeakHeading(counters), "mounts  server RSS");
  EXPECT_EQ(LeakLine(counters), "    42           7");
}

}  // namespace
}  // namespace gantry::bench
