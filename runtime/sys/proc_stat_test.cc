#include "runtime/sys/proc_stat.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using testing::FakeTree;
using testing::File;

constexpr absl::string_view kRest =
    " S 7 42 43 0 -1 4194560 1 2 3 4 51 61 71 81 20 0 3 0 987654 1024 55 "
    "18446744073709551615\n";

TEST(ProcStat, ReadsItsColumns) {
  ASSERT_OK_AND_ASSIGN(ProcStat stat,
                       ParseProcStat(absl::StrCat("42 (sleep)", kRest)));
  EXPECT_EQ(stat.pid, 42);
  EXPECT_EQ(stat.comm, "sleep");
  EXPECT_EQ(stat.state, 'S');
  EXPECT_EQ(stat.ppid, 7);
  EXPECT_EQ(stat.pgrp, 42);
  EXPECT_EQ(stat.session, 43);
  EXPECT_EQ(stat.user_ticks, 51);
  EXPECT_EQ(stat.system_ticks, 61);
  EXPECT_EQ(stat.reaped_user_ticks, 71);
  EXPECT_EQ(stat.reaped_system_ticks, 81);
  EXPECT_EQ(stat.num_threads, 3);
  EXPECT_EQ(stat.start_ticks, 987654);
}

TEST(ProcStat, TheNameMayHoldAnything) {
  for (const char* name : {"a b", ") R 1 2 3", "(", ")", "))) (((", "x\n) Z 1",
                           "", " ", "\xff\xfe"}) {
    ASSERT_OK_AND_ASSIGN(ProcStat stat,
                         ParseProcStat(absl::StrCat("42 (", name, ")", kRest)));
    EXPECT_EQ(stat.comm, name);
    EXPECT_EQ(stat.ppid, 7);
    EXPECT_EQ(stat.start_ticks, 987654);
  }
}

TEST(ProcStat, ForeignBytesAreRefusedOrSurvived) {
  const std::string good = absl::StrCat("42 (sleep)", kRest);
  for (const char* text :
       {"", "42", "42 (", "42 )", "42 (x)", "42 (x) ", "(x) S 1", ") (",
        "x (y) S", "42 (x) SS 1 2 3", "42 (x) S 1 2 3 4 5 6 7 8 9 10 11 12"}) {
    EXPECT_THAT(ParseProcStat(text), StatusIs(absl::StatusCode::kDataLoss))
        << text;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    ParseProcStat(good.substr(0, i)).status().IgnoreError();
    for (const char c : {' ', '(', ')', '\0', '-', '\xff'}) {
      std::string changed = good;
      changed[i] = c;
      ParseProcStat(changed).status().IgnoreError();
    }
  }
}

TEST(ProcStat, StartTimeNamesAProcess) {
  ASSERT_OK_AND_ASSIGN(UniqueFd proc, OpenAt(AT_FDCWD, "/proc", O_PATH));
  ASSERT_OK_AND_ASSIGN(uint64_t start, StartTimeOf(proc.get(), getpid()));
  EXPECT_GT(start, 0);
  EXPECT_THAT(StartTimeOf(proc.get(), getpid()), IsOkAndHolds(start));
  FakeTree fake({File("5/stat", absl::StrCat("5 (x)", kRest))});
  EXPECT_THAT(StartTimeOf(fake.fd(), 5), IsOkAndHolds(987654));
  EXPECT_THAT(StartTimeOf(fake.fd(), 6), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace gantry::sys
