#include "tools/bench/process_memory.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using sys::testing::File;

constexpr char kRollup[] =
    "55d0-7fff ---p 00000000 00:00 0    [rollup]\n"
    "Rss:                 900 kB\n"
    "Pss:                 120 kB\n"
    "Pss_Dirty:            64 kB\n";

TEST(ProcessMemory, PssAndRssAreBytes) {
  sys::testing::FakeTree proc({File("7/smaps_rollup", kRollup),
                               File("7/statm", "300 20 10 1 0 50 0\n")});
  EXPECT_THAT(PssBytes(proc.fd(), 7), IsOkAndHolds(120 * 1024));
  EXPECT_THAT(RssBytes(proc.fd(), 7), IsOkAndHolds(20 * getpagesize()));
  EXPECT_THAT(PssBytes(proc.fd(), 8), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ProcessMemory, SumsLeaveOutWhatHasEnded) {
  sys::testing::FakeTree proc({File("7/smaps_rollup", kRollup),
                               File("8/smaps_rollup", kRollup),
                               File("9/smaps_rollup", "")});
  EXPECT_THAT(PssBytes(proc.fd(), {{.id = {7}},
                                   {.id = {8}},
                                   {.id = {10}},
                                   {.id = {9}, .zombie = true}}),
              IsOkAndHolds(240 * 1024));
}

TEST(ProcessMemory, TextThatIsNoneIsTold) {
  sys::testing::FakeTree proc(
      {File("7/smaps_rollup", "Pss: many\n"), File("7/statm", "x\n")});
  EXPECT_THAT(PssBytes(proc.fd(), 7), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(RssBytes(proc.fd(), 7), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ProcessMemory, CpuHasTheReapedChildrenAndIsOfThatProcessAlone) {
  // No process has such a pid: only the file speaks.
  sys::testing::FakeTree proc({File(
      "99999999/stat",
      "99999999 (x) S 1 1 1 0 -1 0 1 2 3 4 100 50 7 3 20 0 1 0 555 0\n")});
  const int64_t tick = 1'000'000'000 / sysconf(_SC_CLK_TCK);
  ASSERT_OK_AND_ASSIGN(
      const CpuTimes times,
      CpuNanos(proc.fd(), {{.id = {99999999, 555}}, {.id = {99999998, 555}}}));
  ASSERT_EQ(times.size(), 1);
  EXPECT_EQ(times.begin()->second, 160 * tick);
  // A pid that came again is another process.
  ASSERT_OK_AND_ASSIGN(const CpuTimes other,
                       CpuNanos(proc.fd(), {{.id = {99999999, 556}}}));
  EXPECT_TRUE(other.empty());
}

TEST(ProcessMemory, CpuBetweenCountsNewProcessesWhole) {
  EXPECT_EQ(
      CpuBetween({{{1, 1}, 100}, {{2, 2}, 50}}, {{{1, 1}, 130}, {{3, 3}, 7}}),
      37);
}

}  // namespace
}  // namespace gantry::bench
