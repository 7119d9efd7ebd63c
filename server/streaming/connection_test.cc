// What a connection keeps and lets pass while its session holds the input. The
// time that a hold must last before anything is read ahead (1 s) is real.

#include "server/streaming/connection.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::streaming {
namespace {

using ::testing::ElementsAre;

class FakeTransport final : public Transport {
 public:
  void Start(std::shared_ptr<Handler> handler) override {
    handler_ = std::move(handler);
  }
  void Send(std::string) override {}
  size_t Queued() const override { return 0; }
  void Hold(bool hold) override { held = hold; }
  void Finish() override { finished = true; }
  void Abort() override { aborted = true; }
  bool PeerHasClosed() const override { return false; }

  void Receive(const std::string& bytes) { handler_->OnBytes(bytes, true); }
  void Close() {
    auto handler = std::exchange(handler_, nullptr);
    if (handler) handler->OnClosed(absl::UnavailableError("gone"));
  }

  bool held = false;
  bool finished = false;
  bool aborted = false;

 private:
  std::shared_ptr<Handler> handler_;
};

// What it receives is one stream's data; "bad" is no protocol.
class FakeCodec final : public StreamCodec {
 public:
  explicit FakeCodec(StreamEvents& events) : events_(events) {}
  void Open() override {}
  absl::Status Receive(absl::string_view bytes, bool) override {
    if (bytes == "bad") return absl::InvalidArgumentError("no protocol");
    events_.OnData(1, bytes);
    return absl::OkStatus();
  }
  void Write(StreamId, absl::string_view) override {}
  void End(StreamId) override {}
  void Reset(StreamId) override {}
  void Consumed(StreamId, size_t) override {}

 private:
  StreamEvents& events_;
};

class FakeSession final : public Session {
 public:
  void Start(Link& with) override { link = &with; }
  void OnRoom() override {}
  void OnGone() override { gone = true; }
  absl::Status OnOpen(StreamId, const StreamHeaders&) override {
    return absl::OkStatus();
  }
  void OnData(StreamId, absl::string_view data) override {
    received.emplace_back(data);
    if (received.back() == "hold") link->HoldInput();
  }
  void OnEnd(StreamId) override {}
  void OnReset(StreamId) override {}

  Link* link = nullptr;
  std::vector<std::string> received;
  bool gone = false;
};

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    Connection::Parts parts;
    parts.transport = transport_;
    parts.session = session_;
    parts.make_codec = [](StreamEvents& events, StreamCodec::Sink) {
      return std::make_unique<FakeCodec>(events);
    };
    parts.idle_timeout = std::chrono::seconds(60);
    connection_ = std::make_shared<Connection>(io_, std::move(parts));
    connection_->Start();
  }
  // Ends the timer, which keeps the connection.
  ~ConnectionTest() override {
    transport_->Close();
    Run(std::chrono::milliseconds(0));
  }

  void Run(std::chrono::milliseconds time) {
    io_.restart();
    io_.run_for(time);
  }
  // Until reading ahead has begun.
  void WaitForTick() { Run(std::chrono::milliseconds(1200)); }

  boost::asio::io_context io_;
  std::shared_ptr<FakeTransport> transport_ = std::make_shared<FakeTransport>();
  std::shared_ptr<FakeSession> session_ = std::make_shared<FakeSession>();
  std::shared_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, NothingIsReadAtOnceWhileTheInputIsHeld) {
  transport_->Receive("hold");
  EXPECT_TRUE(transport_->held);
  session_->link->ReleaseInput();
  EXPECT_FALSE(transport_->held);
  transport_->Receive("next");
  EXPECT_THAT(session_->received, ElementsAre("hold", "next"));
}

TEST_F(ConnectionTest, WhatIsReadAheadIsDeliveredInOrderAtTheRelease) {
  transport_->Receive("hold");
  WaitForTick();
  EXPECT_FALSE(transport_->held);
  transport_->Receive("a");
  transport_->Receive("b");
  EXPECT_THAT(session_->received, ElementsAre("hold"));
  session_->link->ReleaseInput();
  // Not from within the release, and nothing overtakes.
  EXPECT_THAT(session_->received, ElementsAre("hold"));
  EXPECT_TRUE(transport_->held);
  transport_->Receive("c");
  Run(std::chrono::milliseconds(10));
  EXPECT_THAT(session_->received, ElementsAre("hold", "a", "b", "c"));
  EXPECT_FALSE(transport_->held);
}

TEST_F(ConnectionTest, AHoldInTheMiddleOfWhatWasReadAheadKeepsTheRest) {
  transport_->Receive("hold");
  WaitForTick();
  transport_->Receive("a");
  transport_->Receive("hold");
  transport_->Receive("b");
  session_->link->ReleaseInput();
  Run(std::chrono::milliseconds(10));
  EXPECT_THAT(session_->received, ElementsAre("hold", "a", "hold"));
  EXPECT_TRUE(transport_->held);
  session_->link->ReleaseInput();
  Run(std::chrono::milliseconds(10));
  EXPECT_THAT(session_->received, ElementsAre("hold", "a", "hold", "b"));
}

TEST_F(ConnectionTest, WhatIsReadAheadIsBounded) {
  transport_->Receive("hold");
  WaitForTick();
  const std::string piece(64 << 10, 'x');
  size_t taken = 0;
  for (; !transport_->held && taken < (16 << 20); taken += piece.size()) {
    transport_->Receive(piece);
  }
  EXPECT_TRUE(transport_->held);
  EXPECT_LE(taken, 4 << 20);
  // And stays so.
  WaitForTick();
  EXPECT_TRUE(transport_->held);
}

TEST_F(ConnectionTest, PiecesOfOneByteAreCountedWithTheirCost) {
  transport_->Receive("hold");
  WaitForTick();
  int taken = 0;
  for (; !transport_->held && taken < 1 << 20; ++taken) {
    transport_->Receive("x");
  }
  EXPECT_LT(taken, 1 << 17);
}

TEST_F(ConnectionTest, AMistakeInWhatWasReadAheadEndsIt) {
  transport_->Receive("hold");
  WaitForTick();
  transport_->Receive("bad");
  transport_->Receive("after");
  session_->link->ReleaseInput();
  Run(std::chrono::milliseconds(10));
  EXPECT_TRUE(transport_->aborted);
  EXPECT_THAT(session_->received, ElementsAre("hold"));
}

TEST_F(ConnectionTest, AClientsEndIsToldWhileTheInputIsHeld) {
  transport_->Receive("hold");
  WaitForTick();
  transport_->Receive("a");
  transport_->Close();
  EXPECT_TRUE(session_->gone);
}

}  // namespace
}  // namespace gantry::streaming
