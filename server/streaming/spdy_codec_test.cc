#include "server/streaming/spdy_codec.h"

#include <zlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/streaming/testing/recorded_events.h"

namespace gantry::streaming {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::RecordedEvents;

// The frames in bytes, in words.
class Described : public SpdyFrameReader::Visitor {
 public:
  absl::Status OnControl(SpdyType type, uint8_t flags,
                         absl::string_view payload) override {
    frames.push_back(absl::StrCat(
        "control ", static_cast<int>(type), flags == 0 ? "" : " fin", " ",
        payload.size() >= 4 ? ReadUint32(payload.data()) : 0));
    return absl::OkStatus();
  }
  void OnStreamData(StreamId id, absl::string_view data, bool end) override {
    frames.push_back(absl::StrCat("data ", id, " ", data, end ? " end" : ""));
  }
  std::vector<std::string> frames;
};

class SpdyCodecTest : public ::testing::Test {
 protected:
  absl::Status Receive(absl::string_view bytes) {
    return codec_.Receive(bytes, true);
  }
  std::string Syn(StreamId id, const std::string& type, bool fin = false) {
    return SynStreamFrame(id, writer_.Write({{kStreamTypeHeader, type}}), fin);
  }
  // What the codec has sent since the last call.
  std::vector<std::string> Sent() {
    Described described;
    SpdyFrameReader reader(described);
    EXPECT_THAT(reader.Feed(sent_), IsOk());
    sent_.clear();
    return described.frames;
  }

  RecordedEvents events_;
  std::string sent_;
  SpdyHeaderWriter writer_;
  SpdyCodec codec_{events_, [this](std::string bytes) { sent_ += bytes; }};
};

TEST(SpdyHeaders, TheDictionaryIsThatOfTheDocument) {
  const std::string& dictionary = SpdyDictionary();
  EXPECT_EQ(dictionary.size(), 1423u);
  EXPECT_EQ(adler32(adler32(0, nullptr, 0),
                    reinterpret_cast<const Bytef*>(dictionary.data()),
                    static_cast<uInt>(dictionary.size())),
            0xe3c6a7c2);
}

TEST(SpdyHeaders, BlocksOfOneConnectionAreReadInOrder) {
  SpdyHeaderWriter writer;
  SpdyHeaderReader reader;
  for (int i = 0; i < 20; ++i) {
    const std::string port = absl::StrCat(i);
    EXPECT_THAT(
        reader.Read(writer.Write({{"streamtype", "data"}, {"port", port}})),
        IsOkAndHolds(
            ElementsAre(Pair("port", port), Pair("streamtype", "data"))));
  }
  EXPECT_THAT(reader.Read(writer.Write({})), IsOkAndHolds(IsEmpty()));
}

TEST(SpdyHeaders, NamesComeInLowerCaseAndOfValuesTheFirst) {
  SpdyHeaderWriter writer;
  SpdyHeaderReader reader;
  EXPECT_THAT(
      reader.Read(writer.Write({{"StreamType", std::string("a\0b", 3)}})),
      IsOkAndHolds(ElementsAre(Pair("streamtype", "a"))));
}

TEST(SpdyHeaders, WhatIsTooLargeOrMalformedEndsIt) {
  struct Case {
    std::string block;
    absl::StatusCode code;
  };
  StreamHeaders many;
  for (int i = 0; i < 65; ++i) many[absl::StrCat("h", i)] = "";
  // Small on the wire.
  const std::string bomb =
      SpdyHeaderWriter().Write({{"h", std::string(1 << 20, 'x')}});
  EXPECT_LT(bomb.size(), 8000u);
  const Case cases[] = {
      {bomb, absl::StatusCode::kResourceExhausted},
      {SpdyHeaderWriter().Write(many), absl::StatusCode::kResourceExhausted},
      {"no zlib stream", absl::StatusCode::kInvalidArgument},
      {"", absl::StatusCode::kInvalidArgument},
  };
  for (const Case& c : cases) {
    SpdyHeaderReader reader;
    EXPECT_THAT(reader.Read(c.block), StatusIs(c.code));
    EXPECT_THAT(
        reader.Read(SpdyHeaderWriter().Write({})),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("follows one")));
  }
}

TEST_F(SpdyCodecTest, AStreamIsOpenedAnsweredAndCarriesBytesBothWays) {
  events_.on_open = [this](StreamId id) { codec_.Write(id, "first"); };
  EXPECT_THAT(Receive(Syn(1, "stdout")), IsOk());
  EXPECT_THAT(Receive(DataFrame(1, "in", false)), IsOk());
  EXPECT_THAT(Receive(DataFrame(1, "put", true)), IsOk());
  codec_.Write(1, "second");
  codec_.End(1);
  codec_.Write(1, "after the end");
  EXPECT_THAT(events_.log,
              ElementsAre("open 1 stdout", "data 1 in", "data 1 put", "end 1"));
  // The reply is before any data (type 2: SYN_REPLY).
  EXPECT_THAT(Sent(), ElementsAre("control 2 1", "data 1 first",
                                  "data 1 second", "data 1  end"));
  EXPECT_EQ(codec_.open_streams(), 0u);
}

TEST_F(SpdyCodecTest, FramesMayBeCutAnywhere) {
  // Blocks of headers are written in the order of the statements.
  std::string bytes = Syn(1, "stdin");
  bytes += DataFrame(1, "abc", false);
  bytes += Syn(3, "error", true);
  bytes += PingFrame(7);
  bytes += DataFrame(1, "", true);
  for (char c : bytes) {
    ASSERT_THAT(Receive(absl::string_view(&c, 1)), IsOk());
  }
  EXPECT_THAT(events_.log,
              ElementsAre("open 1 stdin", "data 1 a", "data 1 b", "data 1 c",
                          "open 3 error", "end 3", "end 1"));
  EXPECT_THAT(Sent(), ElementsAre("control 2 1", "control 2 3", "control 6 7"));
}

TEST_F(SpdyCodecTest, AFrameOfDataOfAnyLengthIsPassedOnAsItComes) {
  ASSERT_THAT(Receive(Syn(1, "stdin")), IsOk());
  const std::string frame = DataFrame(1, std::string(12 << 20, 'x'), true);
  ASSERT_THAT(Receive(absl::string_view(frame).substr(0, 1000)), IsOk());
  EXPECT_EQ(events_.bytes, 992u);
  ASSERT_THAT(Receive(absl::string_view(frame).substr(1000)), IsOk());
  EXPECT_EQ(events_.bytes, size_t{12} << 20);
  EXPECT_EQ(events_.log.back(), "end 1");
}

TEST_F(SpdyCodecTest, ARefusedStreamIsReset) {
  events_.refuse = "bad";
  EXPECT_THAT(Receive(Syn(1, "bad")), IsOk());
  EXPECT_THAT(Receive(DataFrame(1, "lost", true)), IsOk());
  EXPECT_THAT(events_.log, IsEmpty());
  EXPECT_THAT(Sent(), ElementsAre("control 2 1", "control 3 1"));
}

TEST_F(SpdyCodecTest, AResetEndsBothDirections) {
  ASSERT_THAT(Receive(Syn(1, "stdin")), IsOk());
  EXPECT_THAT(Receive(RstStreamFrame(1, kSpdyCancel)), IsOk());
  EXPECT_THAT(Receive(RstStreamFrame(1, kSpdyCancel)), IsOk());
  EXPECT_THAT(Receive(DataFrame(1, "late", false)), IsOk());
  Sent();
  codec_.Write(1, "nobody");
  codec_.End(1);
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_THAT(events_.log, ElementsAre("open 1 stdin", "reset 1"));
}

TEST_F(SpdyCodecTest, MoreStreamsThanAllowedAreRefused) {
  StreamId id = 1;
  for (size_t i = 0; i < kMaxSpdyStreams; ++i, id += 2) {
    ASSERT_THAT(Receive(Syn(id, "data")), IsOk());
  }
  Sent();
  EXPECT_THAT(Receive(Syn(id, "data")), IsOk());
  EXPECT_THAT(Sent(), ElementsAre(absl::StrCat("control 3 ", id)));
  EXPECT_EQ(codec_.open_streams(), kMaxSpdyStreams);
  // One that ends makes room.
  ASSERT_THAT(Receive(RstStreamFrame(1, kSpdyCancel)), IsOk());
  EXPECT_THAT(Receive(Syn(id + 2, "data")), IsOk());
  EXPECT_THAT(Sent(), ElementsAre(absl::StrCat("control 2 ", id + 2)));
}

TEST_F(SpdyCodecTest, WhatWasUsedUpIsTold) {
  ASSERT_THAT(Receive(Syn(1, "stdin")), IsOk());
  Sent();
  codec_.Consumed(1, 32767);
  EXPECT_THAT(Sent(), IsEmpty());
  codec_.Consumed(1, 1);
  // Type 9, WINDOW_UPDATE: of the connection and of the stream.
  EXPECT_THAT(Sent(), ElementsAre("control 9 0", "control 9 1"));
}

TEST_F(SpdyCodecTest, GoodbyeEndsAConnectionWithoutStreams) {
  ASSERT_THAT(Receive(Syn(1, "stdin")), IsOk());
  const std::string goodbye =
      ControlFrame(SpdyType::kGoAway, 0, std::string(8, '\0'));
  EXPECT_THAT(Receive(goodbye), IsOk());
  ASSERT_THAT(Receive(RstStreamFrame(1, kSpdyCancel)), IsOk());
  EXPECT_THAT(Receive(goodbye), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(SpdyCodecTest, SettingsUnknownTypesAndEvenPingsAreIgnored) {
  EXPECT_THAT(
      Receive(ControlFrame(SpdyType::kSettings, 0, std::string(4, '\0'))),
      IsOk());
  EXPECT_THAT(Receive(ControlFrame(static_cast<SpdyType>(10), 0, "x")), IsOk());
  EXPECT_THAT(Receive(WindowUpdateFrame(1, 5)), IsOk());
  EXPECT_THAT(Receive(PingFrame(2)), IsOk());
  EXPECT_THAT(Sent(), IsEmpty());
}

TEST(SpdyCodec, WhatBreaksTheProtocolEndsTheConnection) {
  SpdyHeaderWriter writer;
  const std::string empty = writer.Write({});
  const std::string even = SynStreamFrame(2, empty, false);
  std::string version2 = PingFrame(1);
  version2[1] = 2;
  std::string too_large = PingFrame(1).substr(0, 8);
  too_large[5] = 1;  // 64 KiB and more
  const std::string cases[] = {
      even,
      version2,
      too_large,
      ControlFrame(SpdyType::kSynStream, 0, "short"),
      ControlFrame(SpdyType::kRstStream, 0, "short"),
      ControlFrame(SpdyType::kPing, 0, "too long"),
      ControlFrame(SpdyType::kHeaders, 0, "x"),
      SynStreamFrame(1, "no zlib", false),
  };
  for (const std::string& bytes : cases) {
    RecordedEvents events;
    SpdyCodec codec(events, [](std::string) {});
    EXPECT_FALSE(codec.Receive(bytes, true).ok()) << &bytes - &cases[0];
    EXPECT_THAT(events.log, IsEmpty());
  }
}

TEST_F(SpdyCodecTest, AStreamIsNotOpenedTwice) {
  ASSERT_THAT(Receive(Syn(3, "stdin")), IsOk());
  EXPECT_THAT(Receive(Syn(3, "stdin")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cannot be opened after 3")));
}

}  // namespace
}  // namespace gantry::streaming
