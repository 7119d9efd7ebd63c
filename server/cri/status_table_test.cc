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
  EXPECT_TRUE(IsClientMistake(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(IsClientMistake(absl::StatusCode::kNotFound));
  EXPECT_TRUE(IsClientMistake(absl::StatusCode::kUnimplemented));
  EXPECT_FALSE(IsClientMistake(absl::StatusCode::kInternal));
  EXPECT_FALSE(IsClientMistake(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(IsClientMistake(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace gantry::cri
