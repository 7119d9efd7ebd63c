#include "server/cri/status_table.h"

#include <string>

namespace gantry::cri {
namespace {

struct Row {
  absl::StatusCode absl_code;
  grpc::StatusCode grpc_code;
  Severity severity;
};

constexpr Row kTable[] = {
    {absl::StatusCode::kOk, grpc::OK, Severity::kInfo},
    {absl::StatusCode::kCancelled, grpc::CANCELLED, Severity::kInfo},
    {absl::StatusCode::kUnknown, grpc::UNKNOWN, Severity::kError},
    {absl::StatusCode::kInvalidArgument, grpc::INVALID_ARGUMENT,
     Severity::kInfo},
    {absl::StatusCode::kDeadlineExceeded, grpc::DEADLINE_EXCEEDED,
     Severity::kWarning},
    {absl::StatusCode::kNotFound, grpc::NOT_FOUND, Severity::kInfo},
    {absl::StatusCode::kAlreadyExists, grpc::ALREADY_EXISTS, Severity::kInfo},
    {absl::StatusCode::kPermissionDenied, grpc::PERMISSION_DENIED,
     Severity::kWarning},
    {absl::StatusCode::kResourceExhausted, grpc::RESOURCE_EXHAUSTED,
     Severity::kWarning},
    {absl::StatusCode::kFailedPrecondition, grpc::FAILED_PRECONDITION,
     Severity::kInfo},
    {absl::StatusCode::kAborted, grpc::ABORTED, Severity::kWarning},
    {absl::StatusCode::kOutOfRange, grpc::OUT_OF_RANGE, Severity::kInfo},
    {absl::StatusCode::kUnimplemented, grpc::UNIMPLEMENTED, Severity::kInfo},
    {absl::StatusCode::kInternal, grpc::INTERNAL, Severity::kError},
    {absl::StatusCode::kUnavailable, grpc::UNAVAILABLE, Severity::kWarning},
    {absl::StatusCode::kDataLoss, grpc::DATA_LOSS, Severity::kError},
    {absl::StatusCode::kUnauthenticated, grpc::UNAUTHENTICATED,
     Severity::kInfo},
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

Severity SeverityOf(absl::StatusCode code) { return RowOf(code).severity; }

}  // namespace gantry::cri
