#include "shim/loop/control_server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/seqpacket.h"
#include "runtime/sys/testing/temp_dir.h"
#include "runtime/wire/envelope_channel.h"

namespace gantry::shim {
namespace {

class ControlServerTest : public ::testing::Test {
 protected:
  struct Received {
    ClientId client;
    Envelope message;
    std::vector<UniqueFd> fds;
  };

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(loop_, sys::EpollLoop::Create());
    server_ = std::make_unique<ControlServer>(
        *loop_,
        [this](ClientId client, Envelope message, std::vector<UniqueFd> fds) {
          received_.push_back({client, std::move(message), std::move(fds)});
          if (on_request_) on_request_(client);
        });
    ASSERT_OK(server_->Listen(directory_.fd(), "s.sock"));
  }

  UniqueFd Connect() {
    auto fd = sys::ConnectAt(directory_.fd(), "s.sock");
    EXPECT_OK(fd);
    return *std::move(fd);
  }

  void RunFor(int milliseconds) {
    loop_->AddTimer(std::chrono::milliseconds(milliseconds),
                    [this] { loop_->Stop(); });
    ASSERT_OK(loop_->Run());
  }

  static Envelope Request(uint64_t id) {
    Envelope message;
    message.set_id(id);
    message.mutable_state_request();
    return message;
  }

  sys::testing::TempDir directory_;
  std::unique_ptr<sys::EpollLoop> loop_;
  std::unique_ptr<ControlServer> server_;
  std::vector<Received> received_;
  std::function<void(ClientId)> on_request_;
};

TEST_F(ControlServerTest, SocketIsForItsOwnerOnly) {
  struct stat info;
  ASSERT_EQ(fstatat(directory_.fd(), "s.sock", &info, 0), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ControlServerTest, WhatCannotBeAClientStaysItsOwners) {
  // epoll(7) takes no regular file.
  ASSERT_OK_AND_ASSIGN(UniqueFd file,
                       sys::OpenAt(AT_FDCWD, "/proc/self/exe", O_RDONLY));
  EXPECT_FALSE(server_->Adopt(file).ok());
  EXPECT_TRUE(file.valid());
  ASSERT_OK_AND_ASSIGN(auto pair, sys::SocketPair());
  EXPECT_OK(server_->Adopt(pair.first));
  EXPECT_FALSE(pair.first.valid());
}

TEST_F(ControlServerTest, RequestsComeWithTheirDescriptors) {
  UniqueFd client = Connect();
  UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_OK(wire::SendMessage(client.get(), Request(7),
                              std::vector<int>{null.get()}));
  RunFor(50);
  ASSERT_EQ(received_.size(), 1u);
  EXPECT_EQ(received_[0].message.id(), 7u);
  EXPECT_EQ(received_[0].fds.size(), 1u);
}

TEST_F(ControlServerTest, AnswersGoToTheirClientEventsToAll) {
  UniqueFd one = Connect();
  UniqueFd two = Connect();
  on_request_ = [this](ClientId client) {
    Envelope answer;
    answer.set_id(9);
    EXPECT_TRUE(server_->Send(client, answer));
    server_->Broadcast(Envelope());
  };
  ASSERT_OK(wire::SendMessage(one.get(), Request(9)));
  RunFor(50);
  Envelope message;
  ASSERT_OK(wire::ReceiveMessage(one.get(), message));
  EXPECT_EQ(message.id(), 9u);
}

TEST_F(ControlServerTest, ClientThatIsGoneIsForgotten) {
  UniqueFd client = Connect();
  ASSERT_OK(wire::SendMessage(client.get(), Request(1)));
  RunFor(50);
  ASSERT_EQ(received_.size(), 1u);
  client.Reset();
  RunFor(50);
  EXPECT_FALSE(server_->Send(received_[0].client, Envelope()));
}

TEST_F(ControlServerTest, MalformedMessageClosesItsConnectionOnly) {
  UniqueFd bad = Connect();
  UniqueFd good = Connect();
  ASSERT_OK(sys::Send(bad.get(), "\xff\xff\xff not a message"));
  ASSERT_OK(wire::SendMessage(good.get(), Request(2)));
  RunFor(50);
  ASSERT_EQ(received_.size(), 1u);
  EXPECT_EQ(received_[0].message.id(), 2u);
  EXPECT_TRUE(sys::IsEndOfStream(sys::Receive(bad.get(), 100).status()));
}

TEST_F(ControlServerTest, PeerThatDoesNotReadIsClosedNotWaitedFor) {
  UniqueFd lazy = Connect();
  ASSERT_OK(wire::SendMessage(lazy.get(), Request(3)));
  RunFor(50);
  ASSERT_EQ(received_.size(), 1u);
  const ClientId client = received_[0].client;
  Envelope event;
  event.mutable_error()->set_message(std::string(1000, 'x'));
  int sent = 0;
  for (; sent < 100000; ++sent) {
    server_->Send(client, event);
    if (sent % 100 == 0) RunFor(1);
    if (!server_->Send(client, event)) break;
  }
  EXPECT_LT(sent, 100000);
  EXPECT_TRUE(server_->AllSent());
}

TEST_F(ControlServerTest, WhatWaitsIsSentWhenThePeerReads) {
  UniqueFd client = Connect();
  ASSERT_OK(wire::SendMessage(client.get(), Request(4)));
  RunFor(50);
  ASSERT_EQ(received_.size(), 1u);
  // More than the socket takes, less than may wait.
  int sent = 0;
  while (server_->AllSent() && sent < 5000) {
    Envelope event;
    event.set_id(static_cast<uint64_t>(++sent));
    event.mutable_error()->set_message(std::string(2000, 'x'));
    server_->Send(received_[0].client, event);
  }
  ASSERT_FALSE(server_->AllSent());
  for (int i = 1; i <= sent; ++i) {
    if (!server_->AllSent()) RunFor(2);
    Envelope message;
    ASSERT_OK(wire::ReceiveMessage(client.get(), message));
    ASSERT_EQ(message.id(), static_cast<uint64_t>(i));
  }
  EXPECT_TRUE(server_->AllSent());
}

TEST_F(ControlServerTest, HandlerMayLoseItsClientWhileAnswering) {
  UniqueFd client = Connect();
  for (uint64_t id = 1; id <= 5; ++id) {
    ASSERT_OK(wire::SendMessage(client.get(), Request(id)));
  }
  on_request_ = [&client](ClientId) { client.Reset(); };
  RunFor(50);
  EXPECT_GE(received_.size(), 1u);
  EXPECT_FALSE(server_->Send(received_[0].client, Envelope()));
}

}  // namespace
}  // namespace gantry::shim
