#include "shim/io/log_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::StatusIs;

UniqueFd MemoryFile() {
  UniqueFd fd(memfd_create("log", MFD_CLOEXEC));
  fcntl(fd.get(), F_SETFL, O_APPEND);
  return fd;
}

UniqueFd Duplicate(const UniqueFd& fd) {
  return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

std::string Content(const UniqueFd& fd) {
  std::string text(1 << 20, '\0');
  const ssize_t size = pread(fd.get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return text;
}

void Put(LogFile& log, absl::string_view text) {
  ASSERT_TRUE(log.buffer().Acquire());
  ASSERT_GE(log.buffer().room(), text.size());
  memcpy(log.buffer().tail(), text.data(), text.size());
  log.buffer().Append(text.size());
}

TEST(LogFile, WritesWhatWaits) {
  UniqueFd file = MemoryFile();
  LogFile log(Duplicate(file));
  Put(log, "one\n");
  Put(log, "two\n");
  EXPECT_TRUE(log.Flush());
  EXPECT_EQ(Content(file), "one\ntwo\n");
  EXPECT_TRUE(log.buffer().empty());
}

TEST(LogFile, WithoutFileEverythingIsDiscarded) {
  LogFile log{UniqueFd()};
  Put(log, "one\n");
  EXPECT_TRUE(log.Flush());
  EXPECT_TRUE(log.buffer().empty());
}

TEST(LogFile, WhatTheFileDoesNotTakeWaits) {
  LogFile log(UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)));
  Put(log, "one\n");
  EXPECT_FALSE(log.Flush());
  EXPECT_EQ(log.buffer().pending(), "one\n");
  Put(log, "two\n");
  UniqueFd file = MemoryFile();
  log.SwitchTo(Duplicate(file));
  EXPECT_TRUE(log.Flush());
  EXPECT_EQ(Content(file), "one\ntwo\n");
}

TEST(LogFile, RecordCutByTheOldFileIsWholeInTheNewOne) {
  // A pipe with room for 4096 bytes takes one record and a part of the next.
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  ASSERT_GE(fcntl(write_end.get(), F_SETPIPE_SZ, 4096), 4096);
  LogFile log(std::move(write_end));
  const std::string first = std::string(2999, 'a') + "\n";
  const std::string second = std::string(3999, 'b') + "\n";
  Put(log, first);
  ASSERT_TRUE(log.Flush());
  Put(log, "x\n");
  Put(log, second);
  ASSERT_FALSE(log.Flush());
  UniqueFd file = MemoryFile();
  log.SwitchTo(Duplicate(file));
  EXPECT_TRUE(log.Flush());
  std::string old(8192, '\0');
  old.resize(static_cast<size_t>(read(read_end.get(), old.data(), old.size())));
  // Whatever the pipe took of it, the second record is in the new file whole.
  EXPECT_EQ(old.substr(0, 3000), first);
  EXPECT_TRUE(Content(file) == second || Content(file) == "x\n" + second);
  EXPECT_EQ(old.size() > 3000, Content(file) == second);
}

class RotatedLogTest : public ::testing::Test {
 protected:
  static constexpr size_t kRecord = 100;
  static constexpr size_t kMaxSize = 1000;

  UniqueFd Open() {
    return UniqueFd(
        open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  }
  LogFile Make() {
    return LogFile(Open(),
                   std::make_unique<const LogRotation>(LogRotation{
                       .path = path_, .max_size = kMaxSize, .max_files = 100}));
  }
  // `count` records, told apart by their numbers.
  void PutRecords(LogFile& log, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string number = absl::StrCat(next_++);
      Put(log, number + std::string(kRecord - 1 - number.size(), ' ') + "\n");
    }
  }
  absl::StatusOr<std::string> File(absl::string_view suffix) {
    return sys::ReadFileAt(AT_FDCWD, absl::StrCat(path_, suffix));
  }
  // Numbers in all files, the oldest file first.
  std::vector<int> Numbers() {
    std::string all;
    for (int i = 100; i > 0; --i) {
      absl::StrAppend(&all, File(absl::StrCat(".", i)).value_or(""));
    }
    absl::StrAppend(&all, File("").value_or(""));
    std::vector<int> numbers;
    for (absl::string_view record :
         absl::StrSplit(all, '\n', absl::SkipEmpty())) {
      EXPECT_EQ(record.size(), kRecord - 1);
      int number = -1;
      EXPECT_TRUE(absl::SimpleAtoi(record, &number)) << record;
      numbers.push_back(number);
    }
    return numbers;
  }
  std::vector<int> All() const {
    std::vector<int> numbers(static_cast<size_t>(next_));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  sys::testing::TempDir dir_;
  const std::string path_ = absl::StrCat(dir_.path(), "/0.log");
  int next_ = 0;
};

TEST_F(RotatedLogTest, NoFileGrowsBeyondItsSizeAndNoRecordIsCut) {
  LogFile log = Make();
  // One write of many files' worth, and single ones.
  PutRecords(log, 57);
  EXPECT_TRUE(log.Flush());
  for (int i = 0; i < 30; ++i) {
    PutRecords(log, 1);
    EXPECT_TRUE(log.Flush());
  }
  EXPECT_EQ(Numbers(), All());
  for (int i = 1; i <= 8; ++i) {
    ASSERT_OK_AND_ASSIGN(std::string text, File(absl::StrCat(".", i)));
    EXPECT_EQ(text.size(), kMaxSize);
  }
  EXPECT_THAT(File(".9"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RotatedLogTest, ALogThatIsThereCounts) {
  {
    LogFile log = Make();
    PutRecords(log, 9);
    EXPECT_TRUE(log.Flush());
  }
  LogFile log = Make();
  PutRecords(log, 2);
  EXPECT_TRUE(log.Flush());
  ASSERT_OK_AND_ASSIGN(std::string first, File(".1"));
  EXPECT_EQ(first.size(), kMaxSize);
  EXPECT_EQ(Numbers(), All());
}

TEST_F(RotatedLogTest, OneThatSomebodyRenamedGrowsUntilItIsReopened) {
  LogFile log = Make();
  PutRecords(log, 5);
  EXPECT_TRUE(log.Flush());
  ASSERT_EQ(rename(path_.c_str(), (path_ + ".100").c_str()), 0);
  PutRecords(log, 30);
  EXPECT_TRUE(log.Flush());
  EXPECT_THAT(File(".1"), StatusIs(absl::StatusCode::kNotFound));
  log.SwitchTo(Open());
  PutRecords(log, 15);
  EXPECT_TRUE(log.Flush());
  ASSERT_OK_AND_ASSIGN(std::string first, File(".1"));
  EXPECT_EQ(first.size(), kMaxSize);
  EXPECT_EQ(Numbers(), All());
}

TEST_F(RotatedLogTest, WhatWasOpenedBeforeARotationIsNotTaken) {
  LogFile log = Make();
  PutRecords(log, 5);
  UniqueFd opened = Open();
  PutRecords(log, 10);
  EXPECT_TRUE(log.Flush());
  log.SwitchTo(std::move(opened));
  PutRecords(log, 1);
  EXPECT_TRUE(log.Flush());
  ASSERT_OK_AND_ASSIGN(std::string first, File(".1"));
  EXPECT_EQ(first.size(), kMaxSize);
  EXPECT_EQ(Numbers(), All());
}

// In the middle of a record the disk is full; there is no new file before the
// record is whole.
TEST_F(RotatedLogTest, ARecordThatTheDiskHasCutIsFinishedInItsFile) {
  LogFile log = Make();
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{kMaxSize - kRecord / 2, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &full);
  PutRecords(log, 15);
  EXPECT_FALSE(log.Flush());
  setrlimit(RLIMIT_FSIZE, &before);
  PutRecords(log, 10);
  EXPECT_TRUE(log.Flush());
  EXPECT_EQ(Numbers(), All());
  for (int i = 1; i <= 2; ++i) {
    ASSERT_OK_AND_ASSIGN(std::string text, File(absl::StrCat(".", i)));
    EXPECT_EQ(text.size(), kMaxSize);
  }
}

TEST_F(RotatedLogTest, OneThatWasCutToNothingBeginsAnew) {
  LogFile log = Make();
  PutRecords(log, 9);
  EXPECT_TRUE(log.Flush());
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);
  next_ = 0;
  PutRecords(log, 9);
  EXPECT_TRUE(log.Flush());
  EXPECT_THAT(File(".1"), StatusIs(absl::StatusCode::kNotFound));
  PutRecords(log, 3);
  EXPECT_TRUE(log.Flush());
  ASSERT_OK_AND_ASSIGN(std::string first, File(".1"));
  EXPECT_EQ(first.size(), kMaxSize);
  EXPECT_EQ(Numbers(), All());
}

}  // namespace
}  // namespace gantry::shim
