// Limits: CRI's LinuxContainerResources and spec.Resources.
//
// Pure functions. In CRI 0 and empty mean "not set"; in the spec a field that
// is not set is absent.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_RESOURCES_H_
#define GANTRY_SERVER_CRI_TRANSLATE_RESOURCES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/cri/v1/api.pb.h"
#include "proto/spec.pb.h"

namespace gantry::cri {

// `field` is the path of `resources` in the request, for errors. Without
// oom_score_adj, which belongs to processes (CheckOomScoreAdj).
absl::StatusOr<spec::Resources> ResourcesFromCri(
    const runtime::v1::LinuxContainerResources& resources,
    absl::string_view field);

absl::Status CheckOomScoreAdj(
    const runtime::v1::LinuxContainerResources& resources,
    absl::string_view field);

// Of a pod as a whole: without oom_score_adj, for no process is the pod's.
absl::StatusOr<spec::Resources> PodResourcesFromCri(
    const runtime::v1::LinuxContainerResources& resources,
    absl::string_view field);

// What is added to them: only what can be, so no lists and no cgroup v2 files.
absl::StatusOr<spec::Resources> PodOverheadFromCri(
    const runtime::v1::LinuxContainerResources& overhead,
    absl::string_view field);

runtime::v1::LinuxContainerResources ResourcesToCri(
    const spec::Resources& resources, int oom_score_adj);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_RESOURCES_H_
