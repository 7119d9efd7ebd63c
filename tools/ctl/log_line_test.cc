#include "tools/ctl/log_line.h"

#include <string>

#include "gtest/gtest.h"

namespace gantry::ctl {
namespace {

TEST(ParseLogLine, TakesTheFourParts) {
  const std::optional<LogLine> line =
      ParseLogLine("2024-01-02T03:04:05.6Z stderr F  two words ");
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->time, "2024-01-02T03:04:05.6Z");
  EXPECT_TRUE(line->is_stderr);
  EXPECT_FALSE(line->partial);
  EXPECT_EQ(line->content, " two words ");
}

TEST(ParseLogLine, TagsBehindAColonAreIgnored) {
  const std::optional<LogLine> line = ParseLogLine("t stdout P:x ");
  ASSERT_TRUE(line.has_value());
  EXPECT_TRUE(line->partial);
  EXPECT_EQ(line->content, "");
}

TEST(ParseLogLine, OtherTextIsNone) {
  for (const char* text : {"", "plain text", "t stdout", "t stdout F",
                           "t stdin F x", "t stdout X x", " stdout F x"}) {
    EXPECT_FALSE(ParseLogLine(text).has_value()) << text;
  }
}

TEST(TailOffset, CountsALineWithItsPartsOnce) {
  const std::string first = "t stdout F one\n";
  const std::string second = "t stdout P tw\nt stdout F o\n";
  const std::string third = "t stderr F three\n";
  const std::string text = first + second + third;
  EXPECT_EQ(TailOffset(text, 0), text.size());
  EXPECT_EQ(TailOffset(text, 1), first.size() + second.size());
  EXPECT_EQ(TailOffset(text, 2), first.size());
  EXPECT_EQ(TailOffset(text, 3), 0);
  EXPECT_EQ(TailOffset(text, 100), 0);
  EXPECT_EQ(TailOffset("", 3), 0);
}

TEST(TailOffset, UnfinishedLineAtTheEndIsALine) {
  const std::string first = "t stdout F one\n";
  EXPECT_EQ(TailOffset(first + "t stdout P tw\n", 1), first.size());
}

}  // namespace
}  // namespace gantry::ctl
