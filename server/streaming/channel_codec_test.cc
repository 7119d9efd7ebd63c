#include "server/streaming/channel_codec.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/streaming/channel_sets.h"
#include "server/streaming/testing/recorded_events.h"

namespace gantry::streaming {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RecordedEvents;

core::ExecStreamRequest Exec(core::WantedStreams wanted) {
  core::ExecStreamRequest request;
  request.streams = wanted;
  return request;
}

class ChannelCodecTest : public ::testing::Test {
 protected:
  void Make(ChannelFormat format, const core::StreamRequest& request) {
    codec_ = std::make_unique<ChannelCodec>(
        events_, [this](std::string bytes) { sent_.push_back(bytes); }, format,
        ChannelsFor(request));
    codec_->Open();
  }
  void MakeCommand(ChannelFormat format) {
    Make(format, Exec({.in = true, .out = true, .err = true}));
    events_.log.clear();
    sent_.clear();
  }
  absl::Status Receive(absl::string_view bytes, bool end = true) {
    return codec_->Receive(bytes, end);
  }

  RecordedEvents events_;
  std::vector<std::string> sent_;
  std::unique_ptr<ChannelCodec> codec_;
};

TEST_F(ChannelCodecTest, WhatIsWantedIsOpenAndTheFirstOutputGreets) {
  Make({}, Exec({.in = true, .out = true}));
  EXPECT_THAT(events_.log, ElementsAre("open 0 stdin", "open 1 stdout",
                                       "open 3 error", "open 4 resize"));
  EXPECT_THAT(sent_, ElementsAre("\1"));
}

TEST_F(ChannelCodecTest, WithoutOutputsTheErrorChannelGreets) {
  Make({}, Exec({.in = true}));
  EXPECT_THAT(sent_, ElementsAre("\3"));
}

TEST_F(ChannelCodecTest, PortsHaveTwoChannelsEachThatBeginWithTheirNumber) {
  Make({}, core::PortForwardRequest{"pod", {80, 8080}});
  EXPECT_THAT(events_.log, ElementsAre("open 0 data", "open 1 error",
                                       "open 2 data", "open 3 error"));
  EXPECT_THAT(sent_,
              ElementsAre(std::string("\0P\0", 3), std::string("\1P\0", 3),
                          "\2\x90\x1f", "\3\x90\x1f"));
}

TEST_F(ChannelCodecTest, MessagesMayComeInPieces) {
  MakeCommand({});
  EXPECT_THAT(Receive(absl::string_view("\0ab", 3), false), IsOk());
  EXPECT_THAT(Receive("\4c", true), IsOk());
  EXPECT_THAT(Receive(absl::string_view("\0", 1)), IsOk());
  EXPECT_THAT(Receive(""), IsOk());
  EXPECT_THAT(Receive("\4{}"), IsOk());
  EXPECT_THAT(events_.log, ElementsAre("data 0 ab", "data 0 \4c", "data 4 {}"));
}

TEST_F(ChannelCodecTest, OnlyWhatTheClientMaySendIsTaken) {
  MakeCommand({});
  EXPECT_THAT(Receive("\1to an output"), IsOk());
  EXPECT_THAT(Receive("\3to the errors"), IsOk());
  EXPECT_THAT(Receive("\x09to nobody"), IsOk());
  EXPECT_THAT(Receive(absl::string_view("\xff\0", 2)), IsOk());
  EXPECT_THAT(events_.log, IsEmpty());
}

TEST_F(ChannelCodecTest, Version5CanEndItsInput) {
  MakeCommand({.can_close = true});
  EXPECT_THAT(Receive(absl::string_view("\0x", 2)), IsOk());
  EXPECT_THAT(Receive(absl::string_view("\xff\0", 2)), IsOk());
  EXPECT_THAT(Receive(absl::string_view("\xff\0", 2)), IsOk());
  EXPECT_THAT(Receive(absl::string_view("\0late", 5)), IsOk());
  EXPECT_THAT(Receive("\xff"), IsOk());
  EXPECT_THAT(events_.log, ElementsAre("data 0 x", "end 0"));
}

TEST_F(ChannelCodecTest, OutputIsWrittenUntilItsEnd) {
  MakeCommand({});
  codec_->Write(1, "out");
  codec_->Write(2, "err");
  codec_->Write(0, "not an output");
  codec_->Write(77, "no channel");
  codec_->Write(1, "");
  codec_->End(1);
  codec_->Write(1, "late");
  EXPECT_THAT(sent_, ElementsAre("\1out", "\2err"));
}

TEST_F(ChannelCodecTest, Base64BothWays) {
  MakeCommand({.base64 = true});
  codec_->Write(1, "hello");
  EXPECT_THAT(sent_, ElementsAre("1aGVsbG8="));
  EXPECT_THAT(Receive("0aGVs", false), IsOk());
  EXPECT_THAT(events_.log, IsEmpty());
  EXPECT_THAT(Receive("bG8=", true), IsOk());
  EXPECT_THAT(events_.log, ElementsAre("data 0 hello"));
  EXPECT_THAT(Receive("0***"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Receive("xaGVs"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Receive(std::string(kMaxBase64Message + 1, 'A')),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(ChannelCodecTest, ARefusedChannelIsSilent) {
  events_.refuse = "stdin";
  MakeCommand({});
  EXPECT_THAT(Receive(absl::string_view("\0x", 2)), IsOk());
  EXPECT_THAT(events_.log, IsEmpty());
}

}  // namespace
}  // namespace gantry::streaming
