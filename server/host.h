// What gantryd finds out about this host, once, at start.
//
// A value, immutable afterwards. ReadHost blocks for a few file reads.

#ifndef GANTRY_SERVER_HOST_H_
#define GANTRY_SERVER_HOST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/plan/host_facts.h"
#include "server/cri/host_abilities.h"

namespace gantry::server {

struct Host {
  std::string boot_id;
  std::unique_ptr<const cgroup::Hierarchies> cgroups;
  plan::HostFacts facts;
  cri::HostAbilities abilities;
  // SELinux is on, but its policy names no labels for containers: they have
  // the server's.
  bool selinux_without_contexts = false;
  // "v1", "v2" or "hybrid".
  std::string cgroup_mode;
  // Systemd is init.
  bool systemd = false;
  // Controllers that are mounted.
  std::vector<std::string> controllers;
};

absl::StatusOr<Host> ReadHost();

}  // namespace gantry::server

#endif  // GANTRY_SERVER_HOST_H_
