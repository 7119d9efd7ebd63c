// Statistics of pods and containers as CRI tells them.
//
// Pure functions. What the kernel does not count is absent, not 0.

#ifndef GANTRY_SERVER_CRI_TRANSLATE_STATS_H_
#define GANTRY_SERVER_CRI_TRANSLATE_STATS_H_

#include <string>
#include <vector>

#include "proto/cri/v1/api.pb.h"
#include "server/core/stats.h"

namespace gantry::cri {

// `layers_dir`: a directory on the file system of the writable layers.
runtime::v1::ContainerStats ContainerStatsToCri(
    const core::ContainerStats& stats, const std::string& layers_dir);

// The interface that a pod's first address is on; null if there is but the
// loopback.
const net::LinkStats* DefaultInterface(
    const std::vector<net::LinkStats>& links);

runtime::v1::PodSandboxStats PodStatsToCri(const core::PodStats& stats,
                                           const std::string& layers_dir);

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_TRANSLATE_STATS_H_
