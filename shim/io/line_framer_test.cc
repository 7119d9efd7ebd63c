#include "shim/io/line_framer.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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

std::string Take(PageBuffer& buffer) {
  std::string text(buffer.pending());
  buffer.Consume(text.size());
  return text;
}

std::string Record(absl::string_view rest) {
  return absl::StrCat(kStamp, " stdout ", rest, "\n");
}

class LineFramerDrop : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(buffer_.Acquire()); }

  LineFramer framer_{"stdout"};
  PageBuffer buffer_{256 * 1024};
};

TEST_F(LineFramerDrop, IsToldOfWhereTheLinesWouldBe) {
  framer_.Frame("one\n", kTime, buffer_);
  framer_.Drop("two\nthree\n");
  framer_.Drop("four\n");
  EXPECT_EQ(framer_.Frame("five\n", kTime, buffer_), 5u);
  EXPECT_EQ(Take(buffer_), Record("F one") +
                               Record("F [gantry] dropped 3 lines, 15 bytes") +
                               Record("F five"));
}

TEST_F(LineFramerDrop, TakesTheWholeLineWhereverItWasCut) {
  // Its beginning waited, its end comes when all is well again.
  framer_.Frame("one\ntw", kTime, buffer_);
  framer_.Drop("o, and");
  EXPECT_TRUE(framer_.EndGap(kTime, buffer_));
  EXPECT_EQ(Take(buffer_), Record("F one"));
  EXPECT_EQ(framer_.Frame(" on", kTime, buffer_), 3u);
  EXPECT_EQ(Take(buffer_), "");
  EXPECT_EQ(framer_.Frame(" it\nthree\n", kTime, buffer_), 10u);
  EXPECT_EQ(Take(buffer_),
            Record("F [gantry] dropped 1 lines, 15 bytes") + Record("F three"));
}

TEST_F(LineFramerDrop, ALineInPiecesIsEndedAndNotJoinedToTheMarker) {
  const std::string piece(LineFramer::kMaxLine, 'a');
  framer_.Frame(piece + "b", kTime, buffer_);
  EXPECT_EQ(Take(buffer_), Record("P " + piece));
  framer_.Drop("c\nd\n");
  EXPECT_TRUE(framer_.EndGap(kTime, buffer_));
  EXPECT_EQ(Take(buffer_), Record("F ") + Record("F [gantry] dropped 2 lines, "
                                                 "5 bytes"));
  EXPECT_TRUE(framer_.EndGap(kTime, buffer_));
  EXPECT_TRUE(framer_.Finish(kTime, buffer_));
  EXPECT_EQ(Take(buffer_), "");
}

TEST_F(LineFramerDrop, AnUnfinishedLineIsCountedAtTheEnd) {
  framer_.Drop("one\ntwo");
  EXPECT_TRUE(framer_.Finish(kTime, buffer_));
  EXPECT_EQ(Take(buffer_), Record("F [gantry] dropped 2 lines, 7 bytes"));
}

TEST_F(LineFramerDrop, WithoutRoomTheMarkerIsStillOwed) {
  PageBuffer small(LineFramer::kMaxMarker - 1);
  ASSERT_TRUE(small.Acquire());
  framer_.Drop("one\n");
  EXPECT_FALSE(framer_.EndGap(kTime, small));
  EXPECT_FALSE(framer_.Finish(kTime, small));
  EXPECT_EQ(framer_.Frame("two\n", kTime, small), 0u);
  EXPECT_TRUE(framer_.Finish(kTime, buffer_));
  EXPECT_EQ(Take(buffer_), Record("F [gantry] dropped 1 lines, 4 bytes"));
}

// The longest: that of a line in pieces, with large numbers.
TEST_F(LineFramerDrop, MarkersFitInTheRoomThatIsAskedFor) {
  PageBuffer exact(LineFramer::kMaxMarker);
  ASSERT_TRUE(exact.Acquire());
  const std::string piece(LineFramer::kMaxLine, 'a');
  framer_.Frame(piece + "b", kTime, buffer_);
  for (int i = 0; i < 100000; ++i) framer_.Drop("1234567890\n1234567890");
  EXPECT_TRUE(framer_.Finish(kTime, exact));
  EXPECT_EQ(
      Take(exact),
      Record("F ") + Record("F [gantry] dropped 100001 lines, 2100001 bytes"));
}

TEST_F(LineFramerDrop, AllowanceStopsBeforeARecordNeverInsideOfOne) {
  int64_t allowance = 1;
  EXPECT_EQ(framer_.Frame("one\ntwo\n", kTime, buffer_, allowance), 4u);
  EXPECT_EQ(allowance, 1 - static_cast<int64_t>(Record("F one").size()));
  EXPECT_EQ(framer_.Frame("two\n", kTime, buffer_, allowance), 0u);
  allowance = 1000;
  EXPECT_EQ(framer_.Frame("two\n", kTime, buffer_, allowance), 4u);
  EXPECT_EQ(Take(buffer_), Record("F one") + Record("F two"));
  // Less than a line costs nothing until it is written.
  allowance = 0;
  EXPECT_EQ(framer_.Frame("thr", kTime, buffer_, allowance), 3u);
  EXPECT_EQ(framer_.Frame("ee\n", kTime, buffer_, allowance), 0u);
}

}  // namespace
}  // namespace gantry::shim
