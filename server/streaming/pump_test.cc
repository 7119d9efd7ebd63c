#include "server/streaming/pump.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/pipe.h"

namespace gantry::streaming {
namespace {

using ::testing::HasSubstr;

class PumpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_OK_AND_ASSIGN(pipe_, sys::MakePipe(O_NONBLOCK));
  }
  // What can be done without waiting.
  void RunReady() {
    io_.restart();
    io_.poll();
  }
  // Until nothing is under way any more.
  void RunToEnd() {
    io_.restart();
    io_.run();
  }
  std::string ReadPipe() {
    std::string all;
    char piece[4096];
    ssize_t size;
    while ((size = ::read(pipe_.read.get(), piece, sizeof(piece))) > 0) {
      all.append(piece, static_cast<size_t>(size));
    }
    return all;
  }
  void WritePipe(const std::string& text) {
    ASSERT_EQ(::write(pipe_.write.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }

  std::shared_ptr<OutputPump> MakeOutput() {
    return std::make_shared<OutputPump>(
        io_, std::move(pipe_.read),
        OutputPump::Callbacks{.has_room = [this] { return has_room_; },
                              .deliver =
                                  [this](absl::string_view data) {
                                    delivered_.append(data.data(), data.size());
                                  },
                              .ended =
                                  [this](const absl::Status& end) {
                                    ++ended_;
                                    end_ = end;
                                  }});
  }
  std::shared_ptr<InputPump> MakeInput() {
    return std::make_shared<InputPump>(
        io_, InputPump::Callbacks{
                 .hold = [this](bool hold) { holds_.push_back(hold); },
                 .consumed = [this](size_t size) { consumed_ += size; },
                 .broken =
                     [this](const absl::Status& why) {
                       ++broken_;
                       why_ = why;
                     },
                 .ended = nullptr});
  }

  boost::asio::io_context io_{1};
  sys::Pipe pipe_;
  bool has_room_ = true;
  std::string delivered_;
  int ended_ = 0;
  absl::Status end_;
  std::vector<bool> holds_;
  size_t consumed_ = 0;
  int broken_ = 0;
  absl::Status why_;
};

TEST_F(PumpTest, OutputIsDeliveredToItsEnd) {
  auto pump = MakeOutput();
  pump->Start();
  WritePipe("one ");
  RunReady();
  EXPECT_EQ(delivered_, "one ");
  WritePipe("two");
  pipe_.write.Reset();
  RunToEnd();
  EXPECT_EQ(delivered_, "one two");
  EXPECT_EQ(ended_, 1);
  EXPECT_FALSE(pump->open());
}

TEST_F(PumpTest, OutputThatCannotBeWatchedEndsWithTheReason) {
  // epoll takes no regular file: EPERM, which Asio tells of when it waits.
  pipe_.read.Reset(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(pipe_.read.valid());
  auto pump = MakeOutput();
  pump->Start();
  RunToEnd();
  EXPECT_EQ(ended_, 1);
  EXPECT_THAT(end_.message(), HasSubstr("watch an output"));
  EXPECT_FALSE(pump->open());
}

TEST_F(PumpTest, OutputWaitsForRoom) {
  auto pump = MakeOutput();
  has_room_ = false;
  pump->Start();
  WritePipe("waits");
  pipe_.write.Reset();
  RunToEnd();
  EXPECT_EQ(delivered_, "");
  EXPECT_EQ(ended_, 0);
  has_room_ = true;
  pump->OnRoom();
  RunToEnd();
  EXPECT_EQ(delivered_, "waits");
  EXPECT_EQ(ended_, 1);
}

TEST_F(PumpTest, ADrainedOutputEndsThoughSomebodyKeepsItOpen) {
  auto pump = MakeOutput();
  pump->Start();
  WritePipe("last words");
  pump->Drain();
  RunToEnd();
  EXPECT_EQ(delivered_, "last words");
  EXPECT_EQ(ended_, 1);
}

TEST_F(PumpTest, ADrainedOutputIsNotGivenUpWhileItsReaderIsSlow) {
  auto pump = MakeOutput();
  has_room_ = false;
  pump->Start();
  WritePipe("last words");
  RunReady();
  pump->Drain();
  RunToEnd();
  EXPECT_EQ(ended_, 0);
  has_room_ = true;
  pump->OnRoom();
  RunToEnd();
  EXPECT_EQ(delivered_, "last words");
  EXPECT_EQ(ended_, 1);
}

TEST_F(PumpTest, NothingIsCalledAfterClose) {
  auto output = MakeOutput();
  output->Start();
  WritePipe("x");
  output->Close();
  RunToEnd();
  EXPECT_EQ(delivered_, "");
  EXPECT_EQ(ended_, 0);
}

TEST_F(PumpTest, InputIsDeliveredAndEnds) {
  auto pump = MakeInput();
  pump->Write("before ");
  pump->Start(std::move(pipe_.write));
  pump->Write("after");
  pump->End();
  pump->Write("too late");
  RunToEnd();
  EXPECT_EQ(ReadPipe(), "before after");
  EXPECT_FALSE(pump->open());
  EXPECT_EQ(consumed_, 20u);
  EXPECT_EQ(broken_, 0);
}

TEST_F(PumpTest, WhoSendsMoreThanIsReadIsHeld) {
  const std::string data(300 << 10, 'x');
  auto pump = MakeInput();
  pump->Start(std::move(pipe_.write));
  pump->Write(data);
  pump->End();
  EXPECT_THAT(holds_, ::testing::ElementsAre(true));
  std::string read;
  while (read.size() < data.size()) {
    const std::string more = ReadPipe();
    read += more;
    RunReady();
  }
  RunToEnd();
  EXPECT_EQ(read, data);
  EXPECT_THAT(holds_, ::testing::ElementsAre(true, false));
  EXPECT_EQ(consumed_, data.size());
}

TEST_F(PumpTest, AReaderThatGoesIsToldOnceAndFreesTheClient) {
  auto pump = MakeInput();
  pump->Start(std::move(pipe_.write));
  pump->Write(std::string(300 << 10, 'x'));
  pipe_.read.Reset();
  RunToEnd();
  EXPECT_EQ(broken_, 1);
  EXPECT_OK(why_);
  EXPECT_THAT(holds_, ::testing::ElementsAre(true, false));
  pump->Write("more");
  RunToEnd();
  EXPECT_EQ(broken_, 1);
  EXPECT_EQ(consumed_, (300u << 10) + 4);
  EXPECT_FALSE(pump->open());
}

TEST_F(PumpTest, AnInputThatCannotBeWrittenSaysWhy) {
  auto pump = MakeInput();
  pump->Start(std::move(pipe_.read));  // the wrong end
  pump->Write("lost");
  RunToEnd();
  EXPECT_EQ(broken_, 1);
  EXPECT_THAT(why_.message(), HasSubstr("write an input: EBADF"));
  EXPECT_EQ(consumed_, 4u);
}

}  // namespace
}  // namespace gantry::streaming
