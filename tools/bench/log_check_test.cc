#include "tools/bench/log_check.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::bench {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

constexpr NumberedLines kLines = {.cycle = 12, .cycles = 2, .bytes = 10};

std::string Entry(absl::string_view content, absl::string_view tag = "F") {
  return absl::StrCat("2024-01-01T00:00:00.1Z stdout ", tag, " ", content);
}

std::string Content(int64_t index) {
  return index == kLines.total() ? kEndOfLines : kLines.Line(index);
}

// Of the lines from `begin` to before `end`; the end itself is number 24.
std::string Log(int64_t begin, int64_t end) {
  std::string log;
  for (int64_t i = begin; i < end; ++i) {
    absl::StrAppend(&log, Entry(Content(i)), "\n");
  }
  return log;
}

absl::Status Check(const std::string& log) {
  sys::testing::FakeTree tree({sys::testing::File("0.log", log)});
  int64_t bytes = 0;
  return CheckLogs(tree.fd(), "0.log", kLines, &bytes);
}

TEST(NumberedLines, HaveTheirLength) {
  EXPECT_EQ(kLines.Line(0), "01 xxxxxx");
  EXPECT_EQ(kLines.Line(11), "12");
  EXPECT_EQ(kLines.Line(12), "01 xxxxxx");
  int64_t bytes = 0;
  for (int64_t i = 0; i < kLines.total(); ++i)
    bytes += kLines.Line(i).size() + 1;
  EXPECT_EQ(kLines.total_bytes(), bytes);
}

TEST(LogCheck, AWholeLogIsRight) { EXPECT_OK(Check(Log(0, 25))); }

TEST(LogCheck, PartsAreJoined) {
  EXPECT_OK(
      Check(Entry("01 x", "P") + "\n" + Entry("xxxxx") + "\n" + Log(1, 25)));
}

TEST(LogCheck, WhatIsLostIsTold) {
  EXPECT_THAT(Check(Log(0, 5) + Log(6, 25)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("line 6 of the log should be number 6 and is "
                                 "number 7: lines were lost")));
  EXPECT_THAT(Check(Log(0, 20)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("ends after 20 of 24 lines")));
  EXPECT_THAT(Check(Log(0, 20) + Log(24, 25)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("ends after 20 of 24 lines")));
  EXPECT_THAT(Check(""), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(LogCheck, WhatIsDoubledIsTold) {
  EXPECT_THAT(
      Check(Log(0, 5) + Log(4, 25)),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lines were doubled")));
  EXPECT_THAT(Check(Log(0, 25) + Log(24, 25)),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Check(Log(0, 24) + Log(0, 25)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("line 25 of the log should be the last")));
}

TEST(LogCheck, WhatIsTornIsTold) {
  EXPECT_THAT(Check(Entry("01 xx") + "\n" + Log(1, 25)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is torn")));
  EXPECT_THAT(Check(Log(0, 3) + "2024-01-01T0" + Log(3, 25)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is torn")));
  EXPECT_THAT(Check(Log(0, 25) + Entry("0")),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(LogCheck, RotatedFilesComeInTheirOrder) {
  std::string later = Log(10, 25);
  for (size_t at; (at = later.find("00.1Z")) != std::string::npos;) {
    later.replace(at, 5, "00.2Z");
  }
  sys::testing::FakeTree tree({sys::testing::File("0.log", later),
                               sys::testing::File("0.log.1", Log(0, 10)),
                               sys::testing::File("1.log", Log(3, 4))});
  int64_t bytes = 0;
  EXPECT_OK(CheckLogs(tree.fd(), "0.log", kLines, &bytes));
  EXPECT_EQ(bytes, later.size() + Log(0, 10).size());
}

}  // namespace
}  // namespace gantry::bench
