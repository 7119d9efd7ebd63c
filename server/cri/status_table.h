// The one place where an absl::Status becomes a gRPC status: code by table,
// message kept, never decided by text.
//
// Pure functions.

#ifndef GANTRY_SERVER_CRI_STATUS_TABLE_H_
#define GANTRY_SERVER_CRI_STATUS_TABLE_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace gantry::cri {

grpc::StatusCode GrpcCodeOf(absl::StatusCode code);

// A message longer than fits the trailing metadata of a call (8 KiB by gRPC's
// default, each byte up to three when escaped) is cut and ends in "...".
grpc::Status ToGrpcStatus(const absl::Status& status);

// How an error is logged: what the client can mend is no fault of this node,
// what may go away by itself is not yet one.
enum class Severity { kInfo, kWarning, kError };
Severity SeverityOf(absl::StatusCode code);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_STATUS_TABLE_H_
