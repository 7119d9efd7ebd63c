#include "shim/io/line_framer.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "shim/io/page_buffer.h"
#include "shim/io/timestamp.h"

namespace gantry::shim {
namespace {

constexpr int64_t kTime = 1475713029669794202;
constexpr char kStamp[] = "2016-10-06T00:17:09.669794202Z";

std::string Stamp(int64_t unix_nanos) {
  std::string text(kTimestampSize, 'x');
  WriteTimestamp(unix_nanos, text.data());
  return text;
}

// Feeds `chunks` through a buffer of `capacity`, which is emptied when full.
std::string FrameAll(const std::vector<std::string>& chunks,
                     size_t capacity = 256 * 1024) {
  LineFramer framer("stdout");
  PageBuffer buffer(capacity);
  EXPECT_TRUE(buffer.Acquire());
  std::string result;
  auto drain = [&] {
    result.append(buffer.pending().data(), buffer.pending().size());
    buffer.Consume(buffer.pending().size());
  };
  for (const std::string& chunk : chunks) {
    absl::string_view rest = chunk;
    while (!rest.empty()) {
      rest.remove_prefix(framer.Frame(rest, kTime, buffer));
      if (!rest.empty()) drain();
    }
  }
  drain();
  EXPECT_TRUE(framer.Finish(kTime, buffer));
  drain();
  return result;
}

std::vector<std::string> Cut(const std::string& text, std::mt19937& random) {
  std::vector<std::string> chunks;
  for (size_t at = 0; at < text.size();) {
    const size_t limit = random() % 3 == 0 ? 40000 : 100;
    const size_t size = 1 + random() % limit;
    chunks.push_back(text.substr(at, size));
    at += size;
  }
  return chunks;
}

TEST(Timestamp, IsUtcWithNineDigits) {
  EXPECT_EQ(Stamp(kTime), kStamp);
  EXPECT_EQ(Stamp(0), "1970-01-01T00:00:00.000000000Z");
}

TEST(Timestamp, KnowsLeapDaysAndTurnsOfYears) {
  EXPECT_EQ(Stamp(951782400LL * 1000000000), "2000-02-29T00:00:00.000000000Z");
  EXPECT_EQ(Stamp(1709251199LL * 1000000000 + 999999999),
            "2024-02-29T23:59:59.999999999Z");
  EXPECT_EQ(Stamp(1709251200LL * 1000000000), "2024-03-01T00:00:00.000000000Z");
  EXPECT_EQ(Stamp(1735689599LL * 1000000000), "2024-12-31T23:59:59.000000000Z");
  EXPECT_EQ(Stamp(1735689600LL * 1000000000), "2025-01-01T00:00:00.000000000Z");
}

TEST(LineFramer, WholeLinesAreTaggedF) {
  EXPECT_EQ(FrameAll({"one\ntwo\n\n"}),
            std::string(kStamp) + " stdout F one\n" + kStamp +
                " stdout F two\n" + kStamp + " stdout F \n");
}

TEST(LineFramer, NamesItsStream) {
  LineFramer framer("stderr");
  PageBuffer buffer(64 * 1024);
  ASSERT_TRUE(buffer.Acquire());
  EXPECT_EQ(framer.Frame("x\n", kTime, buffer), 2u);
  EXPECT_EQ(buffer.pending(), std::string(kStamp) + " stderr F x\n");
}

TEST(LineFramer, LineOfTheMaximumIsWhole) {
  std::string line(LineFramer::kMaxLine, 'a');
  EXPECT_EQ(FrameAll({line + "\n"}),
            std::string(kStamp) + " stdout F " + line + "\n");
}

TEST(LineFramer, LongerLineComesInPartialPiecesAndAFinalOne) {
  std::string piece(LineFramer::kMaxLine, 'a');
  EXPECT_EQ(FrameAll({piece + piece + "b\n"}),
            std::string(kStamp) + " stdout P " + piece + "\n" + kStamp +
                " stdout P " + piece + "\n" + kStamp + " stdout F b\n");
}

TEST(LineFramer, UnfinishedLineAtTheEndIsPartial) {
  EXPECT_EQ(FrameAll({"a\nb"}),
            std::string(kStamp) + " stdout F a\n" + kStamp + " stdout P b\n");
}

TEST(LineFramer, BytesAreKeptAsTheyAre) {
  const std::string odd("\0\r\x80\xff\t", 5);
  EXPECT_EQ(FrameAll({odd + "\n"}),
            std::string(kStamp) + " stdout F " + odd + "\n");
}

TEST(LineFramer, RecordsDependOnTheBytesNotOnTheReads) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::string text;
    const int lines = 1 + random() % 30;
    for (int i = 0; i < lines; ++i) {
      const size_t sizes[] = {0,
                              1,
                              random() % 200,
                              LineFramer::kMaxLine - 1,
                              LineFramer::kMaxLine,
                              LineFramer::kMaxLine + 1,
                              random() % 60000};
      text.append(sizes[random() % 7], static_cast<char>('a' + i % 26));
      if (i + 1 < lines || random() % 2 == 0) text += '\n';
    }
    const std::string whole = FrameAll({text});
    const size_t capacities[] = {LineFramer::kMaxRecord, 40000, 256 * 1024};
    ASSERT_EQ(FrameAll(Cut(text, random), capacities[random() % 3]), whole)
        << "round " << round;
    // What was written is what went in.
    std::string back;
    for (size_t at = 0; at < whole.size();) {
      const size_t end = whole.find('\n', at);
      const char tag = whole[at + kTimestampSize + 8];
      back += whole.substr(at + kTimestampSize + 10,
                           end - at - kTimestampSize - 10);
      if (tag == 'F') back += '\n';
      at = end + 1;
    }
    ASSERT_EQ(back, text) << "round " << round;
  }
}

TEST(LineFramer, WithoutRoomNothingIsConsumedTwice) {
  LineFramer framer("stdout");
  PageBuffer buffer(64);
  ASSERT_TRUE(buffer.Acquire());
  EXPECT_EQ(framer.Frame("12345\n67890\n", kTime, buffer), 6u);
  EXPECT_EQ(framer.Frame("67890\n", kTime, buffer), 0u);
  EXPECT_EQ(framer.Frame("67890", kTime, buffer), 5u);
  EXPECT_FALSE(framer.Finish(kTime, buffer));
  buffer.Consume(buffer.pending().size());
  EXPECT_TRUE(framer.Finish(kTime, buffer));
  EXPECT_EQ(buffer.pending(), std::string(kStamp) + " stdout P 67890\n");
}

}  // namespace
}  // namespace gantry::shim
