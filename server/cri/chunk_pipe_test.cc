#include "server/cri/chunk_pipe.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/pipe.h"
#include "server/work/executor.h"

namespace gantry::cri {
namespace {

class ChunkPipeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    ASSERT_OK_AND_ASSIGN(loop_, work::LoopThread::Start("loop", executor_));
    ASSERT_OK_AND_ASSIGN(sys::Pipe pipe, sys::MakePipe());
    ASSERT_EQ(fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK), 0);
    read_ = std::move(pipe.read);
    pipe_ = std::make_shared<ChunkPipe>(std::move(pipe.write), *loop_);
  }

  work::Executor executor_{"test", 1};
  std::unique_ptr<work::LoopThread> loop_;
  UniqueFd read_;
  std::shared_ptr<ChunkPipe> pipe_;
};

TEST_F(ChunkPipeTest, ChunkLargerThanThePipeArrivesWhole) {
  std::string chunk(1 << 20, 'x');
  chunk.back() = 'y';
  absl::Notification done;
  bool written = false;
  pipe_->Write(chunk, [&](bool ok) {
    written = ok;
    done.Notify();
  });
  std::string got;
  char buffer[65536];
  while (got.size() < chunk.size()) {
    ssize_t n = read(read_.get(), buffer, sizeof buffer);
    ASSERT_GT(n, 0);
    got.append(buffer, n);
  }
  done.WaitForNotification();
  EXPECT_TRUE(written);
  EXPECT_TRUE(got == chunk);
  pipe_->Close();
  EXPECT_EQ(read(read_.get(), buffer, sizeof buffer), 0);
}

TEST_F(ChunkPipeTest, ReaderThatHasGoneEndsTheWrite) {
  absl::Notification done;
  bool written = true;
  pipe_->Write(std::string(1 << 20, 'x'), [&](bool ok) {
    written = ok;
    done.Notify();
  });
  read_.Reset();
  done.WaitForNotification();
  EXPECT_FALSE(written);
}

TEST_F(ChunkPipeTest, CloseEndsAWriteThatWaits) {
  absl::Notification done;
  bool written = true;
  pipe_->Write(std::string(1 << 20, 'x'), [&](bool ok) {
    written = ok;
    done.Notify();
  });
  pipe_->Close();
  done.WaitForNotification();
  EXPECT_FALSE(written);
  absl::Notification after;
  pipe_->Write("x", [&](bool ok) {
    written = ok;
    after.Notify();
  });
  after.WaitForNotification();
  EXPECT_FALSE(written);
}

}  // namespace
}  // namespace gantry::cri
