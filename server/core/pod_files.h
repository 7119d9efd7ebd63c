// The files below /etc that the containers of a pod see: hostname, hosts and
// resolv.conf, kept in the pod's run directory.
//
// The contents are pure functions of the request and of the host's own files;
// what writes blocks for a few file system calls.
// Sources: resolv.conf(5), hosts(5), hostname(5), CRI's DNSConfig.

#ifndef GANTRY_SERVER_CORE_POD_FILES_H_
#define GANTRY_SERVER_CORE_POD_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/requests.h"

namespace gantry::core {

// The host name a pod gets: the one asked for; on the host's network the
// host's; else the beginning of the pod's id.
std::string PodHostname(const PodRequest& request, absl::string_view pod_id,
                        absl::string_view host_name);

// resolv.conf from the client's configuration, else the host's content.
std::string ResolvConf(const DnsConfig& dns, absl::string_view host_content);

// hosts with the loopback names and, if the pod has an address of its own, its
// name; for a pod on the host's network the host's content.
std::string HostsFile(bool host_network, absl::string_view host_content,
                      absl::string_view address, absl::string_view hostname);

// Write them below `pod_run_fd` (0644: the container's users read them),
// replacing what is there: hostname and resolv.conf; hosts, which names the
// pod's own address (empty: none).
absl::Status WritePodFiles(int pod_run_fd, const PodRequest& request,
                           absl::string_view hostname);
absl::Status WriteHostsFile(int pod_run_fd, const PodRequest& request,
                            absl::string_view hostname,
                            absl::string_view address);

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_POD_FILES_H_
