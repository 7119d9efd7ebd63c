// Pods: CRI's messages and core's terms.
//
// Pure functions. Errors: INVALID_ARGUMENT with the field's path,
// UNIMPLEMENTED or FAILED_PRECONDITION for what this build or host cannot do.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_POD_H_
#define GANTRY_SERVER_CRI_TRANSLATE_POD_H_

#include "absl/status/statusor.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/record.pb.h"
#include "server/core/requests.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

absl::StatusOr<core::PodRequest> PodRequestFromCri(
    const runtime::v1::RunPodSandboxRequest& request,
    const HostAbilities& host);

runtime::v1::PodSandboxMetadata PodMetadataToCri(
    const record::Metadata& metadata);

runtime::v1::PodSandboxState PodStateToCri(record::PodRecord::State state);

// For lists: from the record alone.
runtime::v1::PodSandbox PodToCri(const record::PodRecord& pod);

runtime::v1::PodSandboxStatus PodStatusToCri(const record::PodRecord& pod);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_POD_H_
