#include "tools/ctl/format.h"

#include "gtest/gtest.h"

namespace gantry::ctl {
namespace {

TEST(Table, ColumnsLineUpAndTheLastIsNotPadded) {
  Table table({"ID", "NAME"});
  table.Add({"0123456789ab", "web"});
  table.Add({"1", ""});
  EXPECT_EQ(table.ToString(),
            "ID             NAME\n"
            "0123456789ab   web\n"
            "1\n");
}

TEST(Table, CellsCannotSteerTheTerminal) {
  Table table({"\x1b[2J"});
  table.Add({"a\nb\x7f"});
  EXPECT_EQ(table.ToString(), "?[2J\na?b?\n");
}

TEST(HumanSize, OneDecimalFromAKibibyteOn) {
  EXPECT_EQ(HumanSize(0), "0 B");
  EXPECT_EQ(HumanSize(1023), "1023 B");
  EXPECT_EQ(HumanSize(1536), "1.5 KiB");
  EXPECT_EQ(HumanSize(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(HumanSize(20 << 20), "20.0 MiB");
  EXPECT_EQ(HumanSize(UINT64_MAX), "16.0 EiB");
}

TEST(Age, LargestUnitOnly) {
  const int64_t second = 1'000'000'000;
  const int64_t now = 2'000'000 * second;
  EXPECT_EQ(Age(0, now), "-");
  EXPECT_EQ(Age(now, now), "just now");
  EXPECT_EQ(Age(now + second, now), "just now");
  EXPECT_EQ(Age(now - second, now), "1 second ago");
  EXPECT_EQ(Age(now - 200 * second, now), "3 minutes ago");
  EXPECT_EQ(Age(now - 7200 * second, now), "2 hours ago");
  EXPECT_EQ(Age(now - 90000 * second, now), "1 day ago");
}

TEST(ShortId, TwelveCharactersWithoutTheAlgorithm) {
  EXPECT_EQ(ShortId("sha256:0123456789abcdef"), "0123456789ab");
  EXPECT_EQ(ShortId("abc"), "abc");
}

TEST(PrettyJson, IndentsByTwoAndLeavesStringsAlone) {
  EXPECT_EQ(PrettyJson(R"({"a":[1,{"b":"x,{\"y:"}],"c":{},"d":[]})"),
            "{\n"
            "  \"a\": [\n"
            "    1,\n"
            "    {\n"
            "      \"b\": \"x,{\\\"y:\"\n"
            "    }\n"
            "  ],\n"
            "  \"c\": {},\n"
            "  \"d\": []\n"
            "}");
  EXPECT_EQ(PrettyJson("{\n \"a\" : 1 }"), "{\n  \"a\": 1\n}");
}

}  // namespace
}  // namespace gantry::ctl
