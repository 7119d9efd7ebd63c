#include "server/cri/status_table.h"

#include <string>

#include "gtest/gtest.h"

namespace gantry::cri {
namespace {

TEST(StatusTable, EveryCodeKeepsItsMeaning) {
  // The two enums number the same codes alike (both are google.rpc.Code).
  for (int code = 0; code <= 16; ++code) {
    EXPECT_EQ(GrpcCodeOf(static_cast<absl::StatusCode>(code)), code);
  }
}

TEST(StatusTable, ACodeNobodyKnowsIsUnknown) {
  EXPECT_EQ(GrpcCodeOf(static_cast<absl::StatusCode>(77)), grpc::UNKNOWN);
}

TEST(StatusTable, MessageIsKept) {
  grpc::Status status = ToGrpcStatus(absl::NotFoundError("pod x: is not"));
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "pod x: is not");
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(StatusTable, LongMessageIsCutAtACharacter) {
  std::string message(2047, 'x');
  message += "\u00e4 and more";
  grpc::Status status = ToGrpcStatus(absl::InternalError(message));
  EXPECT_EQ(status.error_message(), std::string(2047, 'x') + "...");
}

TEST(StatusTable, WhatTheClientCanMendIsNoFaultOfTheNode) {
  EXPECT_EQ(SeverityOf(absl::StatusCode::kInvalidArgument), Severity::kInfo);
  EXPECT_EQ(SeverityOf(absl::StatusCode::kNotFound), Severity::kInfo);
  EXPECT_EQ(SeverityOf(absl::StatusCode::kUnimplemented), Severity::kInfo);
  // The command of an ExecSync took too long, say.
  EXPECT_EQ(SeverityOf(absl::StatusCode::kDeadlineExceeded),
            Severity::kWarning);
  EXPECT_EQ(SeverityOf(absl::StatusCode::kUnavailable), Severity::kWarning);
  EXPECT_EQ(SeverityOf(absl::StatusCode::kInternal), Severity::kError);
  EXPECT_EQ(SeverityOf(absl::StatusCode::kDataLoss), Severity::kError);
}

}  // namespace
}  // namespace gantry::cri
