#include "server/cri/status_table.h"

#include <string>

namespace gantry::cri {
namespace {

struct Row {
  absl::StatusCode absl_code;
  grpc::StatusCode grpc_code;
  bool client_mistake;
};

constexpr Row kTable[] = {
    {absl::StatusCode::kOk, grpc::OK, false},
    {absl::StatusCode::kCancelled, grpc::CANCELLED, true},
    {absl::StatusCode::kUnknown, grpc::UNKNOWN, false},
    {absl::StatusCode::kInvalidArgument, grpc::INVALID_ARGUMENT, true},
    {absl::StatusCode::kDeadlineExceeded, grpc::DEADLINE_EXCEEDED, false},
    {absl::StatusCode::kNotFound, grpc::NOT_FOUND, true},
    {absl::StatusCode::kAlreadyExists, grpc::ALREADY_EXISTS, true},
    {absl::StatusCode::kPermissionDenied, grpc::PERMISSION_DENIED, false},
    {absl::StatusCode::kResourceExhausted, grpc::RESOURCE_EXHAUSTED, false},
    {absl::StatusCode::kFailedPrecondition, grpc::FAILED_PRECONDITION, true},
    {absl::StatusCode::kAborted, grpc::ABORTED, false},
    {absl::StatusCode::kOutOfRange, grpc::OUT_OF_RANGE, true},
    {absl::StatusCode::kUnimplemented, grpc::UNIMPLEMENTED, true},
    {absl::StatusCode::kInternal, grpc::INTERNAL, false},
    {absl::StatusCode::kUnavailable, grpc::UNAVAILABLE, false},
    {absl::StatusCode::kDataLoss, grpc::DATA_LOSS, false},
    {absl::StatusCode::kUnauthenticated, grpc::UNAUTHENTICATED, true},
};

constexpr size_t kMaxMessageBytes = 2048;

const Row& RowOf(absl::StatusCode code) {
  for (const Row& row : kTable) {
    if (row.absl_code == code) return row;
  }
  return kTable[2];  // kUnknown
}

// `message` cut so that no UTF-8 character is split.
std::string Cut(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t end = kMaxMessageBytes;
  while (end > 0 && (message[end] & 0xC0) == 0x80) --end;
  return std::string(message.substr(0, end)) + "...";
}

}  // namespace

grpc::StatusCode GrpcCodeOf(absl::StatusCode code) {
  return RowOf(code).grpc_code;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(GrpcCodeOf(status.code()), Cut(status.message()));
}

bool IsClientMistake(absl::StatusCode code) {
  return RowOf(code).client_mistake;
}

}  // namespace gantry::cri
