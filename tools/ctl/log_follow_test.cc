#include "tools/ctl/log_follow.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::ctl {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;

class LogFollowerTest : public ::testing::Test {
 protected:
  void Append(const std::string& text) {
    std::ofstream(path_, std::ios::app) << text;
  }
  void Rename() {
    ASSERT_OK(sys::RenameAt(dir_.fd(), "log", dir_.fd(), "log.1"));
  }

  sys::testing::TempDir dir_;
  std::string path_ = dir_.path() + "/log";
  std::ostringstream out_;
  std::ostringstream err_;
  LogFollower log_{path_, out_, err_};
};

TEST_F(LogFollowerTest, StreamsApartAndPartsJoined) {
  Append("t stdout F one\nt stdout P tw\nt stderr F oops\nt stdout F o\n");
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(true));
  EXPECT_EQ(out_.str(), "one\ntwo\n");
  EXPECT_EQ(err_.str(), "oops\n");
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(false));
}

TEST_F(LogFollowerTest, MissingFileMayStillCome) {
  EXPECT_OK(log_.SkipToLast(3));
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(false));
  Append("t stdout F one\n");
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(true));
  EXPECT_EQ(out_.str(), "one\n");
}

TEST_F(LogFollowerTest, UnfinishedEntryWaitsForItsNewline) {
  Append("t stdout F on");
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(true));
  EXPECT_EQ(out_.str(), "");
  Append("e\n");
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(true));
  EXPECT_EQ(out_.str(), "one\n");
}

TEST_F(LogFollowerTest, GoesOnInTheNewFileAfterARotation) {
  Append("t stdout F one\n");
  ASSERT_OK(log_.Poll());
  Append("t stdout F two\n");
  Rename();
  Append("t stdout F three\n");
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(true));
  EXPECT_EQ(out_.str(), "one\ntwo\nthree\n");
}

TEST_F(LogFollowerTest, TailOfALogLargerThanOneRead) {
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    text += "t stdout F line " + std::to_string(i) + "\n";
  }
  Append(text);
  ASSERT_OK(log_.SkipToLast(10000));
  ASSERT_OK(log_.Poll());
  EXPECT_EQ(out_.str().substr(0, 11), "line 10000\n");
  EXPECT_EQ(out_.str().substr(out_.str().size() - 11), "line 19999\n");
}

TEST_F(LogFollowerTest, TailOfNothingLeavesOutAllThatIsThere) {
  Append("t stdout F one\n");
  ASSERT_OK(log_.SkipToLast(0));
  EXPECT_THAT(log_.Poll(), IsOkAndHolds(false));
  Append("t stdout F two\n");
  ASSERT_OK(log_.Poll());
  EXPECT_EQ(out_.str(), "two\n");
}

TEST_F(LogFollowerTest, LineWithoutAnEndIsRefused) {
  Append(std::string((1 << 20) + 10, 'x'));
  EXPECT_THAT(log_.Poll(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(LogFollowerTest, ClosedOutputEndsIt) {
  Append("t stdout F one\n");
  out_.setstate(std::ios::badbit);
  EXPECT_THAT(log_.Poll(), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace gantry::ctl
