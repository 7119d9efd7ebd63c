#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/json/json.h"
#include "server/streaming/stream_status.h"
#include "server/streaming/terminal_size.h"

namespace gantry::streaming {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::testing::Optional;

TEST(StreamStatus, AGoodEnd) {
  EXPECT_EQ(StreamStatus(0, true), R"({"metadata":{},"status":"Success"})");
  EXPECT_EQ(StreamStatus(0, false), "");
}

TEST(StreamStatus, AnExitCodeIsACause) {
  EXPECT_EQ(
      StreamStatus(42, true),
      R"({"metadata":{},"status":"Failure","message":"command terminated )"
      R"(with non-zero exit code: exit status 42","reason":)"
      R"("NonZeroExitCode","details":{"causes":[{"reason":"ExitCode",)"
      R"("message":"42"}]}})");
  EXPECT_EQ(StreamStatus(42, false),
            "command terminated with non-zero exit code: exit status 42");
}

TEST(StreamStatus, AFailureIsQuoted) {
  const absl::Status failure = absl::NotFoundError("\"x\"\n\xff");
  ASSERT_OK_AND_ASSIGN(json::Value status,
                       json::Value::Parse(StreamStatus(failure, true), "s"));
  EXPECT_THAT(status.StringField("reason"), IsOkAndHolds("InternalError"));
  EXPECT_THAT(status.IntField("code"), IsOkAndHolds(500));
  EXPECT_THAT(status.StringField("message"),
              IsOkAndHolds("Internal error occurred: \"x\"\n\xef\xbf\xbd"));
}

TEST(TerminalSize, ObjectsMayBeCutAnywhereAndTheNewestCounts) {
  TerminalSizeReader reader;
  EXPECT_EQ(reader.Feed("{\"Width\":80,"), std::nullopt);
  EXPECT_THAT(reader.Feed("\"Height\":24}\n{"), Optional(TerminalSize{80, 24}));
  EXPECT_THAT(reader.Feed("\"Width\":1,\"Height\":2}{\"Width\":3,"
                          "\"Height\":4}{\"Wi"),
              Optional(TerminalSize{3, 4}));
}

TEST(TerminalSize, WhatIsNoSizeIsSkipped) {
  TerminalSizeReader reader;
  EXPECT_EQ(reader.Feed("{}"), std::nullopt);
  EXPECT_EQ(reader.Feed("{\"Width\":-1,\"Height\":2}"), std::nullopt);
  EXPECT_EQ(reader.Feed("{\"Width\":65536,\"Height\":2}"), std::nullopt);
  EXPECT_EQ(reader.Feed("{\"Width\":\"x\",\"Height\":2}"), std::nullopt);
  EXPECT_EQ(reader.Feed(std::string(100000, 'x')), std::nullopt);
  EXPECT_EQ(reader.Feed("}"), std::nullopt);
  EXPECT_THAT(reader.Feed("{\"Width\":8,\"Height\":9}"),
              Optional(TerminalSize{8, 9}));
}

}  // namespace
}  // namespace gantry::streaming
