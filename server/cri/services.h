// What the RPCs stand on: core's use cases and what is known of this server.
//
// A plain bundle made by server/main; everything referred to outlives every
// call.

#ifndef GANTRY_SERVER_CRI_SERVICES_H_
#define GANTRY_SERVER_CRI_SERVICES_H_

#include <string>
#include <vector>

#include "server/core/container_service.h"
#include "server/core/exec_service.h"
#include "server/core/image_service.h"
#include "server/core/node.h"
#include "server/core/pod_service.h"
#include "server/core/start_progress.h"
#include "server/core/stats.h"
#include "server/core/stream_request.h"
#include "server/core/stream_service.h"
#include "server/cri/host_abilities.h"

namespace gantry::cri {

// For Status, in its verbose form.
struct ServerFacts {
  // Effective configuration as a JSON object; without secrets.
  std::string config_json;
  // "6.1.0-18-amd64".
  std::string kernel;
  // "v1", "v2" or "hybrid".
  std::string cgroup_mode;
  // "systemd" or "cgroupfs", and why.
  std::string cgroup_driver;
  std::string cgroup_driver_reason;
  // Controllers that are mounted.
  std::vector<std::string> controllers;
};

struct Services {
  core::Node& node;
  core::PodService& pods;
  core::ContainerService& containers;
  core::ExecService& exec;
  core::StatsService& stats;
  core::ImageService& images;
  core::StreamService& streams;
  core::StreamUrls& urls;
  const core::StartProgress& start;
  HostAbilities host;
  ServerFacts facts;
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_SERVICES_H_
