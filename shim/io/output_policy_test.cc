// What becomes of output that the log does not take: each policy against a log
// that is full for a while, and against a rate.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "proto/spec.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"
#include "shim/io/container_io.h"

namespace gantry::shim {
namespace {

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

void Write(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(fd, text.data(), text.size());
    ASSERT_GT(size, 0);
    text.remove_prefix(static_cast<size_t>(size));
  }
}

// While it lives no file of this process grows beyond `bytes`: a write takes as
// much as there is room for, the next one fails.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

// Lines of one stream and what its markers say.
struct Read {
  std::vector<std::string> lines;
  uint64_t dropped_lines = 0;
  uint64_t dropped_bytes = 0;
  int markers = 0;
};

class OutputPolicyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, sys::EpollLoop::Create());
    log_.Reset(memfd_create("log", MFD_CLOEXEC));
    fcntl(log_.get(), F_SETFL, O_APPEND);
  }

  void Make(spec::LogPolicy::WhenFull when_full, uint64_t rate = 0) {
    spec::Stdio stdio;
    stdio.mutable_log_policy()->set_when_full(when_full);
    stdio.mutable_log_policy()->set_rate(rate);
    ASSERT_OK_AND_ASSIGN(io_, ContainerIo::Make(*loop_, RealClock(), stdio,
                                                Duplicate(log_.get())));
    for (int i = 1; i < 3; ++i) child_[i] = Duplicate(io_->child_fd(i));
    io_->CloseChildEnds();
  }

  void RunFor(int milliseconds) {
    loop_->AddTimer(std::chrono::milliseconds(milliseconds),
                    [this] { loop_->Stop(); });
    ASSERT_OK(loop_->Run());
  }

  void EndStreams() {
    child_[1].Reset();
    child_[2].Reset();
  }

  void RunUntilEnded() {
    for (int i = 0; i < 3000 && !io_->output().Ended(); ++i) RunFor(5);
    ASSERT_TRUE(io_->output().Ended());
  }

  std::string Content() const {
    std::string text(lseek(log_.get(), 0, SEEK_END), '\0');
    EXPECT_EQ(pread(log_.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    return text;
  }

  Read ReadLog(absl::string_view stream = "stdout") const {
    Read read;
    const std::string content = Content();
    EXPECT_TRUE(content.empty() || content.back() == '\n');
    for (absl::string_view line :
         absl::StrSplit(content, '\n', absl::SkipEmpty())) {
      line.remove_prefix(31);
      const std::string begin = absl::StrCat(stream, " F ");
      if (!absl::StartsWith(line, begin)) continue;
      const std::string text(line.substr(begin.size()));
      unsigned long long lines = 0;
      unsigned long long bytes = 0;
      if (sscanf(text.c_str(), "[gantry] dropped %llu lines, %llu bytes",
                 &lines, &bytes) == 2) {
        read.dropped_lines += lines;
        read.dropped_bytes += bytes;
        ++read.markers;
      } else {
        read.lines.push_back(text);
      }
    }
    return read;
  }

  std::unique_ptr<sys::EpollLoop> loop_;
  UniqueFd log_;
  UniqueFd child_[3];
  std::unique_ptr<ContainerIo> io_;
};

std::string Line(int number) {
  return absl::StrCat("line ", number, " ", std::string(80, 'x'));
}

TEST_F(OutputPolicyTest, BlockGoesOnInTheMiddleOfALineWhenThereIsRoomAgain) {
  Make(spec::LogPolicy::BLOCK);
  constexpr int kLines = 3000;
  {
    FullDisk full(10'000);
    for (int i = 0; i < kLines; ++i) {
      Write(child_[1].get(), Line(i) + "\n");
      if (i % 500 == 0) RunFor(1);
    }
    RunFor(250);
    EXPECT_TRUE(io_->output().Blocked());
    // As much as there was room for, which is no whole number of lines.
    EXPECT_EQ(Content().size(), 10'000u);
  }
  EndStreams();
  RunUntilEnded();
  const Read read = ReadLog();
  ASSERT_EQ(read.lines.size(), static_cast<size_t>(kLines));
  for (int i = 0; i < kLines; ++i) ASSERT_EQ(read.lines[i], Line(i));
}

TEST_F(OutputPolicyTest, DropNeverHoldsTheProgramAndSaysExactlyWhatIsMissing) {
  Make(spec::LogPolicy::DROP);
  // More than pipes and buffers hold by far: if it waited, this would hang.
  constexpr int kLines = 100'000;
  uint64_t bytes = 0;
  {
    FullDisk full(10'000);
    for (int i = 0; i < kLines; ++i) {
      const std::string line = Line(i) + "\n";
      bytes += line.size();
      Write(child_[1].get(), line);
      if (i % 1000 == 0) RunFor(1);
      if (i == kLines / 2) Write(child_[2].get(), "error\n");
    }
    RunFor(20);
    EXPECT_TRUE(io_->output().Blocked());
    EXPECT_EQ(Content().size(), 10'000u);
  }
  // Told of without another line to wait for.
  RunFor(250);
  EXPECT_FALSE(io_->output().Blocked());
  EXPECT_EQ(ReadLog().markers, 1);
  Write(child_[1].get(), "after\n");
  EndStreams();
  RunUntilEnded();

  const Read read = ReadLog();
  EXPECT_EQ(read.markers, 1);
  EXPECT_GT(read.lines.size(), 2000u);
  EXPECT_EQ(read.lines.size() + read.dropped_lines, kLines + 1u);
  uint64_t there = 0;
  for (size_t i = 0; i + 1 < read.lines.size(); ++i) {
    ASSERT_EQ(read.lines[i], Line(static_cast<int>(i)));
    there += read.lines[i].size() + 1;
  }
  EXPECT_EQ(there + read.dropped_bytes, bytes);
  EXPECT_EQ(read.lines.back(), "after");
  // Each stream says it of its own lines.
  const Read errors = ReadLog("stderr");
  EXPECT_EQ(errors.lines.size() + errors.dropped_lines, 1u);
}

TEST_F(OutputPolicyTest, DropTellsOfALineThatHadNoEnd) {
  Make(spec::LogPolicy::DROP);
  const std::string much(400'000, 'x');
  uint64_t lines = 0;
  {
    FullDisk full(0);
    for (int i = 0; i < 4; ++i) {
      for (size_t at = 0; at < much.size(); at += 100, ++lines) {
        Write(child_[1].get(), much.substr(at, 99) + "\n");
      }
      RunFor(5);
    }
    Write(child_[1].get(), "and no end");
    RunFor(20);
  }
  EndStreams();
  RunUntilEnded();
  const Read read = ReadLog();
  EXPECT_EQ(read.markers, 1);
  EXPECT_EQ(read.lines.size() + read.dropped_lines, lines + 1);
}

TEST_F(OutputPolicyTest, DropEndsWithTheStreamsWhileTheLogIsFull) {
  Make(spec::LogPolicy::DROP);
  FullDisk full(0);
  for (int i = 0; i < 20'000; ++i) {
    Write(child_[1].get(), Line(i) + "\n");
    if (i % 1000 == 0) RunFor(1);
  }
  EndStreams();
  RunFor(50);
  // The word of what was dropped waits, and the loop is not kept busy.
  EXPECT_FALSE(io_->output().Ended());
  const clock_t before = clock();
  RunFor(300);
  EXPECT_LT(clock() - before, CLOCKS_PER_SEC / 10);
  io_->output().Finish();
}

// As fast as it can, whatever it gets through.
void WriteFor(std::chrono::milliseconds time, int fd, uint64_t& lines) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    Write(fd, Line(static_cast<int>(lines)) + "\n");
    ++lines;
  }
}

class OutputRateTest : public OutputPolicyTest {
 protected:
  static constexpr uint64_t kRate = 200'000;
  static constexpr std::chrono::milliseconds kTime{3000};

  // Returns the size of the log when the time was over.
  size_t Run(uint64_t& lines) {
    bool done = false;
    std::thread writer([&] {
      WriteFor(kTime, child_[1].get(), lines);
      loop_->Post([&done] { done = true; });
    });
    const auto end = std::chrono::steady_clock::now() + kTime;
    size_t size = 0;
    while (!done) {
      RunFor(10);
      if (size == 0 && std::chrono::steady_clock::now() >= end) {
        size = Content().size();
        // Whoever is held back is let go.
        io_->output().LiftRate();
      }
    }
    writer.join();
    EndStreams();
    RunUntilEnded();
    return size;
  }
};

TEST_F(OutputRateTest, BlockHoldsTheProgramToTheRateAndLosesNothing) {
  Make(spec::LogPolicy::BLOCK, kRate);
  uint64_t lines = 0;
  const size_t size = Run(lines);
  // A second's worth comes at once, and some records are paid for later.
  EXPECT_GT(size, kRate * 3);
  EXPECT_LT(size, kRate * 4.5);
  const Read read = ReadLog();
  EXPECT_EQ(read.markers, 0);
  ASSERT_EQ(read.lines.size(), lines);
  for (uint64_t i = 0; i < lines; ++i) {
    ASSERT_EQ(read.lines[i], Line(static_cast<int>(i)));
  }
}

TEST_F(OutputRateTest, DropLetsTheProgramRunAndKeepsTheLogToTheRate) {
  Make(spec::LogPolicy::DROP, kRate);
  uint64_t lines = 0;
  const size_t size = Run(lines);
  EXPECT_GT(size, kRate * 3);
  EXPECT_LT(size, kRate * 4.5);
  const Read read = ReadLog();
  // Some gaps, each of many lines: not one after every line.
  EXPECT_GE(read.markers, 3);
  EXPECT_LE(read.markers, 10);
  EXPECT_EQ(read.lines.size() + read.dropped_lines, lines);
  EXPECT_GT(read.dropped_lines, lines / 2);
}

TEST_F(OutputRateTest, AQuietProgramIsToldOfWhatItLost) {
  Make(spec::LogPolicy::DROP, 2000);
  for (int i = 0; i < 100; ++i) Write(child_[1].get(), Line(i) + "\n");
  RunFor(100);
  EXPECT_EQ(ReadLog().markers, 0);
  RunFor(900);
  const Read read = ReadLog();
  EXPECT_EQ(read.markers, 1);
  EXPECT_EQ(read.lines.size() + read.dropped_lines, 100u);
  // What is seldom passes as it comes.
  RunFor(200);
  Write(child_[1].get(), "seldom\n");
  RunFor(20);
  EXPECT_EQ(ReadLog().lines.back(), "seldom");
}

}  // namespace
}  // namespace gantry::shim
