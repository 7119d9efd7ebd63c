// Whether this host can give pods a user namespace: tried once, at start.
//
// Thread safety: one call at a time. Blocks for a few mount calls; waiting for
// the helper holds no thread.

#ifndef GANTRY_SERVER_USER_NAMESPACES_H_
#define GANTRY_SERVER_USER_NAMESPACES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/shim/launcher.h"
#include "server/work/task.h"

namespace gantry::server {

// Makes a user namespace as a pod's is made, and maps the ids of `directories`
// (those whose file systems containers are made of) and of a tmpfs with it.
// OK if all could be done; else what could not, and why. Nothing is left but
// in a directory "probe" of `run_dir`, should it fail to go.
work::Task<absl::Status> TryUserNamespaces(
    shim_client::Launcher& launcher, std::string run_dir,
    std::vector<std::string> directories);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_USER_NAMESPACES_H_
