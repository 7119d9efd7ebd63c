#include "shim/io/container_io.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

void Write(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(fd, text.data(), text.size());
    ASSERT_GT(size, 0);
    text.remove_prefix(static_cast<size_t>(size));
  }
}

class ContainerIoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, sys::EpollLoop::Create());
    log_.Reset(memfd_create("log", MFD_CLOEXEC));
    fcntl(log_.get(), F_SETFL, O_APPEND);
  }

  void Make(const spec::Stdio& stdio, UniqueFd log) {
    ASSERT_OK_AND_ASSIGN(
        io_, ContainerIo::Make(*loop_, RealClock(), stdio, std::move(log)));
    for (int i = 0; i < 3; ++i) {
      if (io_->child_fd(i) >= 0) child_[i] = Duplicate(io_->child_fd(i));
    }
    io_->CloseChildEnds();
  }

  void RunFor(int milliseconds) {
    loop_->AddTimer(std::chrono::milliseconds(milliseconds),
                    [this] { loop_->Stop(); });
    ASSERT_OK(loop_->Run());
  }

  void RunUntilEnded() {
    for (int i = 0; i < 3000 && !io_->output().Ended(); ++i) RunFor(5);
    ASSERT_TRUE(io_->output().Ended());
  }

  // Lines without their timestamps.
  static std::vector<std::string> Lines(const UniqueFd& file) {
    std::string text(lseek(file.get(), 0, SEEK_END), '\0');
    EXPECT_EQ(pread(file.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    std::vector<std::string> lines;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      if (!line.empty()) lines.emplace_back(line.substr(31));
    }
    return lines;
  }

  std::unique_ptr<sys::EpollLoop> loop_;
  UniqueFd log_;
  UniqueFd child_[3];
  std::unique_ptr<ContainerIo> io_;
};

TEST_F(ContainerIoTest, StreamsKeepTheirPartialLinesApart) {
  Make(spec::Stdio(), Duplicate(log_.get()));
  Write(child_[1].get(), "out begins ");
  RunFor(20);
  Write(child_[2].get(), "err ");
  RunFor(20);
  Write(child_[1].get(), "and ends\n");
  RunFor(20);
  Write(child_[2].get(), "too\nrest");
  RunFor(20);
  child_[1].Reset();
  child_[2].Reset();
  RunUntilEnded();
  EXPECT_THAT(Lines(log_), ElementsAre("stdout F out begins and ends",
                                       "stderr F err too", "stderr P rest"));
}

TEST_F(ContainerIoTest, ReopenedLogGetsAllLaterLines) {
  Make(spec::Stdio(), Duplicate(log_.get()));
  Write(child_[1].get(), "one\ntw");
  RunFor(20);
  UniqueFd next(memfd_create("log", MFD_CLOEXEC));
  io_->output().ReopenLog(Duplicate(next.get()));
  Write(child_[1].get(), "o\n");
  RunFor(20);
  EXPECT_THAT(Lines(log_), ElementsAre("stdout F one"));
  EXPECT_THAT(Lines(next), ElementsAre("stdout F two"));
}

TEST_F(ContainerIoTest, WhileTheLogIsFullNothingIsLostOrReordered) {
  Make(spec::Stdio(),
       UniqueFd(open("/dev/full", O_WRONLY | O_APPEND | O_CLOEXEC)));
  std::vector<std::string> expected;
  for (int i = 0; i < 1000; ++i) {
    Write(child_[1].get(), absl::StrCat("line ", i, "\n"));
    expected.push_back(absl::StrCat("stdout F line ", i));
    if (i % 100 == 0) RunFor(2);
  }
  EXPECT_TRUE(io_->output().Blocked());
  EXPECT_FALSE(io_->output().Ended());
  io_->output().ReopenLog(Duplicate(log_.get()));
  child_[1].Reset();
  child_[2].Reset();
  RunUntilEnded();
  EXPECT_EQ(Lines(log_), expected);
}

TEST_F(ContainerIoTest, BlockedLogIsTriedAgain) {
  // A pipe that is full stands for a disk that is.
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  fcntl(write_end.get(), F_SETPIPE_SZ, 4096);
  Make(spec::Stdio(), std::move(write_end));
  for (int i = 0; i < 300; ++i) {
    Write(child_[1].get(), absl::StrCat("line ", i, "\n"));
  }
  child_[1].Reset();
  child_[2].Reset();
  RunFor(20);
  ASSERT_TRUE(io_->output().Blocked());
  std::string text;
  fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 200 && !io_->output().Ended(); ++i) {
    char buffer[8192];
    const ssize_t size = read(read_end.get(), buffer, sizeof(buffer));
    if (size > 0) text.append(buffer, static_cast<size_t>(size));
    RunFor(50);
  }
  char buffer[8192];
  const ssize_t size = read(read_end.get(), buffer, sizeof(buffer));
  if (size > 0) text.append(buffer, static_cast<size_t>(size));
  EXPECT_TRUE(io_->output().Ended());
  std::vector<std::string> lines =
      absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 300u);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(lines[i].substr(31), absl::StrCat("stdout F line ", i));
  }
}

TEST_F(ContainerIoTest, WithoutLogOutputIsDiscardedAndAttachSeesIt) {
  Make(spec::Stdio(), UniqueFd());
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  UniqueFd read_end(fds[0]);
  AttachFds attach;
  attach.out.Reset(fds[1]);
  ASSERT_OK(io_->Attach(std::move(attach)));
  Write(child_[1].get(), "raw");
  Write(child_[2].get(), "other");
  child_[1].Reset();
  child_[2].Reset();
  RunUntilEnded();
  char buffer[100];
  ASSERT_EQ(read(read_end.get(), buffer, sizeof(buffer)), 3);
  EXPECT_EQ(std::string(buffer, 3), "raw");
  EXPECT_EQ(read(read_end.get(), buffer, sizeof(buffer)), 0);
}

TEST_F(ContainerIoTest, SlowAttachClientIsDroppedTheLogHasEverything) {
  Make(spec::Stdio(), Duplicate(log_.get()));
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  UniqueFd never_read(fds[0]);
  AttachFds attach;
  attach.out.Reset(fds[1]);
  ASSERT_OK(io_->Attach(std::move(attach)));
  const std::string line(999, 'x');
  for (int i = 0; i < 3000; ++i) {
    Write(child_[1].get(), line + "\n");
    if (i % 200 == 0) RunFor(2);
  }
  child_[1].Reset();
  child_[2].Reset();
  RunUntilEnded();
  EXPECT_EQ(io_->output().attached().size(), 0u);
  EXPECT_EQ(Lines(log_).size(), 3000u);
}

TEST_F(ContainerIoTest, AttachClientThatLeavesIsForgotten) {
  Make(spec::Stdio(), UniqueFd());
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  AttachFds attach;
  attach.out.Reset(fds[1]);
  ASSERT_OK(io_->Attach(std::move(attach)));
  EXPECT_EQ(io_->output().attached().size(), 1u);
  close(fds[0]);
  RunFor(20);
  EXPECT_EQ(io_->output().attached().size(), 0u);
}

TEST_F(ContainerIoTest, InputOfAttachReachesTheContainerWhole) {
  spec::Stdio stdio;
  stdio.set_stdin(true);
  Make(stdio, UniqueFd());
  ASSERT_TRUE(child_[0].valid());
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  AttachFds attach;
  attach.in.Reset(fds[0]);
  UniqueFd typing(fds[1]);
  ASSERT_OK(io_->Attach(std::move(attach)));
  // More than the pipes hold, so the forwarding has to pause.
  std::string text;
  for (int i = 0; text.size() < 1000000; ++i) absl::StrAppend(&text, i, " ");
  std::thread writer([&] {
    Write(typing.get(), text);
    typing.Reset();
  });
  std::string got;
  fcntl(child_[0].get(), F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 5000 && got.size() < text.size(); ++i) {
    RunFor(1);
    char buffer[65536];
    const ssize_t size = read(child_[0].get(), buffer, sizeof(buffer));
    if (size > 0) got.append(buffer, static_cast<size_t>(size));
  }
  writer.join();
  EXPECT_EQ(got.size(), text.size());
  EXPECT_TRUE(got == text);
  // Without stdin_once the input stays open.
  RunFor(10);
  char byte;
  EXPECT_EQ(read(child_[0].get(), &byte, 1), -1);
  io_->CloseStdin();
  EXPECT_EQ(read(child_[0].get(), &byte, 1), 0);
}

TEST_F(ContainerIoTest, StdinOnceEndsWithItsFirstClient) {
  spec::Stdio stdio;
  stdio.set_stdin(true);
  stdio.set_stdin_once(true);
  Make(stdio, UniqueFd());
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  AttachFds attach;
  attach.in.Reset(fds[0]);
  ASSERT_OK(io_->Attach(std::move(attach)));
  Write(fds[1], "last words");
  close(fds[1]);
  RunFor(20);
  char buffer[100];
  EXPECT_EQ(read(child_[0].get(), buffer, sizeof(buffer)), 10);
  EXPECT_EQ(read(child_[0].get(), buffer, sizeof(buffer)), 0);
}

TEST_F(ContainerIoTest, InputThatTheContainerDoesNotHaveIsRefused) {
  Make(spec::Stdio(), UniqueFd());
  AttachFds attach;
  attach.in.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(io_->Attach(std::move(attach)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(io_->Resize(80, 24),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// One writer as fast as it can against a log in memory; printed, and bounded
// far below what it does so that only a mistake of kind fails here.
TEST_F(ContainerIoTest, Throughput) {
  char path[] = "/dev/shm/gantry-log-XXXXXX";
  UniqueFd log(mkostemp(path, O_APPEND | O_CLOEXEC));
  unlink(path);
  Make(spec::Stdio(), Duplicate(log.get()));
  constexpr size_t kTotal = 256 << 20;
  std::string chunk;
  while (chunk.size() < (64 << 10)) chunk += std::string(99, 'x') + "\n";
  std::thread writer([&] {
    size_t written = 0;
    for (; written < kTotal; written += chunk.size()) {
      Write(child_[1].get(), chunk);
    }
    child_[1].Reset();
    child_[2].Reset();
  });
  const auto begin = std::chrono::steady_clock::now();
  while (!io_->output().Ended()) RunFor(1);
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - begin;
  writer.join();
  const double rate = kTotal / took.count() / 1e6;
  printf("container output to log: %.0f MB/s of 100-byte lines\n", rate);
  RecordProperty("mb_per_s", static_cast<int>(rate));
  EXPECT_GT(rate, 50);
}

}  // namespace
}  // namespace gantry::shim
