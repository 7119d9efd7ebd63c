#include "runtime/wire/envelope_channel.h"

#include <errno.h>

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/shim.pb.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/seqpacket.h"

namespace gantry::wire {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EnvelopeChannel : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = sys::SocketPair(SOCK_NONBLOCK);
    ASSERT_OK(pair);
    a_ = std::move(pair->first);
    b_ = std::move(pair->second);
  }
  // An error reply whose serialized form has a little over `bytes` bytes.
  shim::Envelope Large(size_t bytes) {
    shim::Envelope envelope;
    envelope.set_version(1);
    envelope.mutable_error()->set_message(std::string(bytes, 'x'));
    return envelope;
  }
  UniqueFd a_, b_;
};

TEST_F(EnvelopeChannel, AMessageArrivesWithItsDescriptors) {
  ASSERT_OK_AND_ASSIGN(UniqueFd null,
                       sys::OpenAt(AT_FDCWD, "/dev/null", O_RDONLY));
  shim::Envelope sent;
  sent.set_version(1);
  sent.set_id(7);
  sent.mutable_state_request();
  ASSERT_OK(SendMessage(a_.get(), sent, std::vector<int>{null.get()}));
  shim::Envelope received;
  received.set_id(99);  // what was there before does not stay
  ASSERT_OK_AND_ASSIGN(std::vector<UniqueFd> fds,
                       ReceiveMessage(b_.get(), received));
  EXPECT_EQ(received.SerializeAsString(), sent.SerializeAsString());
  EXPECT_THAT(fds, SizeIs(1));
}

TEST_F(EnvelopeChannel, TheLargestMessagePassesDefaultBuffers) {
  // Some bytes go to tags and lengths.
  const shim::Envelope large = Large(kMaxMessageBytes - 16);
  ASSERT_LE(large.ByteSizeLong(), kMaxMessageBytes);
  ASSERT_OK(SendMessage(a_.get(), large));
  shim::Envelope received;
  ASSERT_OK_AND_ASSIGN(auto fds, ReceiveMessage(b_.get(), received));
  EXPECT_EQ(received.error().message().size(), kMaxMessageBytes - 16);
  EXPECT_THAT(fds, IsEmpty());
}

TEST_F(EnvelopeChannel, OverTheLimitIsRefusedOnBothEnds) {
  const shim::Envelope large = Large(kMaxMessageBytes);
  EXPECT_THAT(SendMessage(a_.get(), large),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at most 196608")));
  // A peer without our limit.
  ASSERT_OK(sys::Send(a_.get(), large.SerializeAsString()));
  shim::Envelope received;
  EXPECT_THAT(ReceiveMessage(b_.get(), received),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("gantry.shim.Envelope")));
}

TEST_F(EnvelopeChannel, BytesThatAreNoMessageAreSaidAndClearIt) {
  for (const std::string& bytes :
       {std::string("\xff\xff\xff"), std::string("\x08"),
        std::string("\xf2\x01\x7f!")}) {
    ASSERT_OK(sys::Send(a_.get(), bytes));
    shim::Envelope received = Large(10);
    EXPECT_THAT(ReceiveMessage(b_.get(), received),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr("bytes that are no gantry.shim.Envelope")));
    EXPECT_EQ(received.ByteSizeLong(), 0);
  }
}

TEST_F(EnvelopeChannel, EveryCutOfAMessageIsSurvived) {
  shim::Envelope sent = Large(40);
  sent.set_id(300);
  const std::string bytes = sent.SerializeAsString();
  int refused = 0;
  for (size_t i = 1; i < bytes.size(); ++i) {
    ASSERT_OK(sys::Send(a_.get(), bytes.substr(0, i)));
    shim::Envelope received;
    refused += !ReceiveMessage(b_.get(), received).ok();
  }
  EXPECT_GT(refused, 40);
}

TEST_F(EnvelopeChannel, NothingThereAndTheEndAreToldApart) {
  shim::Envelope received;
  EXPECT_EQ(ErrnoOf(ReceiveMessage(b_.get(), received).status()), EAGAIN);
  a_.Reset();
  EXPECT_TRUE(sys::IsEndOfStream(ReceiveMessage(b_.get(), received).status()));
}

TEST_F(EnvelopeChannel, AFullSocketIsNotNow) {
  const shim::Envelope large = Large(100'000);
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = SendMessage(a_.get(), large);
  }
  EXPECT_EQ(ErrnoOf(status), EAGAIN);
}

TEST_F(EnvelopeChannel, AnEmptyMessageIsRefusedForItWouldReadAsTheEnd) {
  EXPECT_THAT(SendMessage(a_.get(), shim::Envelope()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace gantry::wire
