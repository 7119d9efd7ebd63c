// What clients ask of the use cases, in core's own terms: server/cri fills
// these from CRI messages (validated), and nothing below knows CRI.

#ifndef GANTRY_SERVER_CORE_REQUESTS_H_
#define GANTRY_SERVER_CORE_REQUESTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/record.pb.h"
#include "proto/spec.pb.h"

namespace gantry::core {

// What becomes of the containers' /etc/resolv.conf; all empty: the host's.
struct DnsConfig {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
};

struct PodRequest {
  record::Metadata metadata;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  // The serialized request, to be kept and compared when it is repeated.
  std::string cri_config;
  std::string runtime_handler;
  // Empty: the host's name on the host's network, else the pod id's beginning.
  std::string hostname;
  // Absolute, or empty.
  std::string log_directory;
  DnsConfig dns;
  // Those that map a port of the host.
  std::vector<record::PortMapping> ports;
  spec::Namespaces namespaces;
  // Of the pod's containers, unless they say otherwise.
  spec::SelinuxOptions selinux_options;
  // "net.ipv4.ip_forward" -> "1"; namespaced keys only.
  std::map<std::string, std::string> sysctls;
  // Absolute path below each cgroup hierarchy (with systemd: of a slice), or
  // empty for "/gantry" ("/gantry.slice").
  std::string cgroup_parent;
  // What the pod costs beyond its containers and what these have together: kept
  // for who asks, not written to the pod's cgroup. Of a pod with a container
  // that has no limit, the sum of its containers' limits is none of the pod's.
  spec::Resources overhead;
  spec::Resources resources;
};

struct ContainerRequest {
  // Id or unique prefix.
  std::string pod_id;
  record::Metadata metadata;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::string cri_config;
  // Any reference an image is known by.
  std::string image;
  // Replace the image's entrypoint and command, as CRI (and Kubernetes) says.
  std::vector<std::string> command;
  std::vector<std::string> args;
  // What the request says of env, cwd, user, mounts, devices, security,
  // resources, namespaces and stdio; completed from the image and the pod.
  spec::ContainerSpec spec;
  // "vendor.com/class=name" each.
  std::vector<std::string> cdi_devices;
  // Relative to the pod's log directory; empty: no log.
  std::string log_path;
  // Signal number; 0: the image's, else SIGTERM.
  int stop_signal = 0;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_REQUESTS_H_
