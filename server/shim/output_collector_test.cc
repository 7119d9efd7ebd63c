#include "server/shim/output_collector.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "server/shim/testing/await_task.h"
#include "server/work/executor.h"
#include "server/work/loop_thread.h"

namespace gantry::shim_client {
namespace {

using ::testing::HasSubstr;

class OutputCollectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // A reader that has gone is an error of the write, as for any daemon.
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_OK_AND_ASSIGN(loop_, work::LoopThread::Start("loop", executor_));
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    read_.Reset(fds[0]);
    write_.Reset(fds[1]);
  }

  auto Start(size_t cap = kDefaultOutputCap) {
    return OutputCollector::Start(*loop_, executor_, std::move(read_), cap);
  }

  // Whether the collector has closed its end.
  bool ReaderIsGone() {
    for (int i = 0; i < 1000; ++i) {
      if (::write(write_.get(), "x", 1) < 0) return true;
      absl::SleepFor(absl::Milliseconds(2));
    }
    return false;
  }

  work::Executor executor_{"test", 2};
  std::unique_ptr<work::LoopThread> loop_;
  UniqueFd read_;
  UniqueFd write_;
};

TEST_F(OutputCollectorTest, CollectsToTheEnd) {
  ASSERT_OK_AND_ASSIGN(auto output, Start());
  ASSERT_OK(sys::WriteAll(write_.get(), "hello "));
  absl::SleepFor(absl::Milliseconds(5));
  ASSERT_OK(sys::WriteAll(write_.get(), "world"));
  write_.Reset();
  Collected all = Await(output->Wait());
  EXPECT_EQ(all.data, "hello world");
  EXPECT_FALSE(all.truncated);
}

TEST_F(OutputCollectorTest, KeepsOrderOverManyTurnsOfTheLoop) {
  ASSERT_OK_AND_ASSIGN(auto output, Start());
  std::string sent;
  for (int i = 0; i < 1'000'000; ++i) sent += static_cast<char>(i * 7 % 251);
  for (int i = 0; i < 5; ++i) ASSERT_OK(sys::WriteAll(write_.get(), sent));
  write_.Reset();
  std::string all = Await(output->Wait()).data;
  ASSERT_EQ(all.size(), 5 * sent.size());
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(all.compare(i * sent.size(), sent.size(), sent) == 0);
  }
}

TEST_F(OutputCollectorTest, DropsWhatIsOverTheCapAndNeverBlocksTheWriter) {
  ASSERT_OK_AND_ASSIGN(auto output, Start(1000));
  ASSERT_OK(sys::WriteAll(write_.get(), std::string(999, 'a')));
  ASSERT_OK(sys::WriteAll(write_.get(), std::string(300'000, 'b')));
  write_.Reset();
  Collected all = Await(output->Wait());
  EXPECT_EQ(all.data, std::string(999, 'a') + "b");
  EXPECT_TRUE(all.truncated);
}

TEST_F(OutputCollectorTest, ExactlyTheCapIsNotTruncated) {
  ASSERT_OK_AND_ASSIGN(auto output, Start(10));
  ASSERT_OK(sys::WriteAll(write_.get(), "0123456789"));
  write_.Reset();
  Collected all = Await(output->Wait());
  EXPECT_EQ(all.data, "0123456789");
  EXPECT_FALSE(all.truncated);
}

TEST_F(OutputCollectorTest, FinishNowTakesWhatArrivedFromAnOpenPipe) {
  ASSERT_OK_AND_ASSIGN(auto output, Start());
  ASSERT_OK(sys::WriteAll(write_.get(), std::string(50'000, 'x')));
  output->FinishNow();
  EXPECT_EQ(Await(output->Wait()).data.size(), 50'000);
  EXPECT_TRUE(ReaderIsGone());
  output->FinishNow();
}

TEST_F(OutputCollectorTest, FinishNowEndsAWriterThatNeverStops) {
  ASSERT_OK_AND_ASSIGN(auto output, Start(100));
  std::thread writer([this] {
    const std::string block(64 << 10, 'y');
    while (sys::WriteAll(write_.get(), block).ok()) {
    }
  });
  absl::SleepFor(absl::Milliseconds(30));
  output->FinishNow();
  Collected all = Await(output->Wait());
  EXPECT_EQ(all.data.size(), 100);
  EXPECT_TRUE(all.truncated);
  writer.join();
}

TEST_F(OutputCollectorTest, ATerminalEndsWithItsLastProgram) {
  UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master) << "no pty";
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  char name[64];
  ASSERT_EQ(::ptsname_r(master.get(), name, sizeof(name)), 0);
  ASSERT_OK_AND_ASSIGN(UniqueFd program,
                       sys::OpenAt(AT_FDCWD, name, O_RDWR | O_NOCTTY));
  ASSERT_OK_AND_ASSIGN(auto output, OutputCollector::Start(*loop_, executor_,
                                                           std::move(master)));
  ASSERT_OK(sys::WriteAll(program.get(), "prompt> "));
  program.Reset();
  EXPECT_EQ(Await(output->Wait()).data, "prompt> ");
}

TEST_F(OutputCollectorTest, DestroyingOneClosesItsEnd) {
  ASSERT_OK_AND_ASSIGN(auto output, Start());
  output.reset();
  EXPECT_TRUE(ReaderIsGone());
}

TEST_F(OutputCollectorTest, DescriptorsThatCannotBeWatchedAreAFailure) {
  ASSERT_OK_AND_ASSIGN(UniqueFd file,
                       sys::OpenAt(AT_FDCWD, "/proc/self/exe", O_RDONLY));
  ASSERT_OK_AND_ASSIGN(
      auto output, OutputCollector::Start(*loop_, executor_, std::move(file)));
  const Collected all = Await(output->Wait());
  EXPECT_EQ(all.data, "");
  EXPECT_THAT(all.failure.message(), HasSubstr("watch a program's output"));
  EXPECT_FALSE(OutputCollector::Start(*loop_, executor_, UniqueFd()).ok());
}

}  // namespace
}  // namespace gantry::shim_client
