// The options of `gantryctl run` as a pod and a container of CRI. Pure.

#ifndef GANTRY_TOOLS_CTL_RUN_REQUEST_H_
#define GANTRY_TOOLS_CTL_RUN_REQUEST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/cri/v1/api.pb.h"
#include "tools/ctl/parse.h"

namespace gantry::ctl {

// On pods and containers that `run` made, with the pod's uid as value: their
// pod goes with the container.
inline constexpr char kRunLabel[] = "gantryctl.run";

// As written on the command line.
struct RunOptions {
  std::string name;
  std::string hostname;
  std::string memory;
  std::string cpus;
  std::string user;
  std::string workdir;
  std::string network = "pod";
  std::string pid = "container";
  std::vector<std::string> env;
  std::vector<std::string> mounts;
  std::vector<std::string> labels;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::vector<std::string> entrypoint;
  std::string log_root = "/var/log/gantry/pods";
  bool privileged = false;
  bool read_only = false;
  bool remove = false;
  bool detach = false;
  std::string image;
  std::vector<std::string> command;
};

struct RunRequest {
  ::runtime::v1::PodSandboxConfig pod;
  ::runtime::v1::ContainerConfig container;
};

// `uid`: unique, 16 hexadecimal digits or more; its beginning makes a name
// where none is given. INVALID_ARGUMENT names the option that is wrong.
absl::StatusOr<RunRequest> MakeRunRequest(const RunOptions& options,
                                          absl::string_view uid,
                                          EnvLookup lookup);

// "busybox" of "docker.io/library/busybox:1.36@sha256:...", made fit for a
// host name; "container" if nothing of it fits.
std::string BaseName(absl::string_view image);

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_RUN_REQUEST_H_
