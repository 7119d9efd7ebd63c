// Where gantryd keeps its things (docs/on_disk.md).
//
// Below the root directory what must outlive a reboot or is large, below the
// run directory what is of this boot only. All directories are 0700.
// Thread safety: immutable after construction.

#ifndef GANTRY_SERVER_CORE_PATHS_H_
#define GANTRY_SERVER_CORE_PATHS_H_

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gantry::core {

class Paths {
 public:
  // Both absolute, without a trailing slash.
  Paths(std::string root, std::string run)
      : root_(std::move(root)), run_(std::move(run)) {}

  const std::string& root() const { return root_; }
  const std::string& run() const { return run_; }

  std::string PodRecords() const { return absl::StrCat(root_, "/pods"); }
  std::string ContainerRecords() const {
    return absl::StrCat(root_, "/containers");
  }
  // Of the image's own volumes: "0", "1", ... beside the writable layer.
  std::string ContainerVolumes(absl::string_view id) const {
    return absl::StrCat(root_, "/containers/", id, "/volumes");
  }
  // What CNI plugins answered, and what they are just reading: a file per pod.
  std::string CniResults() const { return absl::StrCat(root_, "/cni"); }
  std::string CniInputs() const { return absl::StrCat(run_, "/cni"); }
  std::string Images() const { return absl::StrCat(root_, "/images"); }
  std::string Layers() const { return absl::StrCat(root_, "/images/layers"); }

  std::string PodRuns() const { return absl::StrCat(run_, "/pods"); }
  // Pinned namespaces "net", "ipc", "uts", "user", the directory "shm" and the
  // files that containers see below /etc.
  std::string PodRun(absl::string_view id) const {
    return absl::StrCat(run_, "/pods/", id);
  }
  std::string ContainerRuns() const {
    return absl::StrCat(run_, "/containers");
  }
  // The shim's socket "shim.sock", its last word "exit.pb", and the directory
  // "rootfs" that its init mounts the overlay on.
  std::string ContainerRun(absl::string_view id) const {
    return absl::StrCat(run_, "/containers/", id);
  }

 private:
  const std::string root_;
  const std::string run_;
};

// Names of the files below a pod's run directory.
inline constexpr absl::string_view kNetworkPin = "net";
inline constexpr absl::string_view kIpcPin = "ipc";
inline constexpr absl::string_view kUtsPin = "uts";
inline constexpr absl::string_view kUserPin = "user";
inline constexpr absl::string_view kShmDirectory = "shm";
inline constexpr absl::string_view kHostnameFile = "hostname";
inline constexpr absl::string_view kHostsFile = "hosts";
inline constexpr absl::string_view kResolvConfFile = "resolv.conf";
// The path of the pod's cgroup, for the day that its record is damaged.
inline constexpr absl::string_view kCgroupFile = "cgroup";
// Below a container's run directory.
inline constexpr absl::string_view kRootfsDirectory = "rootfs";
inline constexpr absl::string_view kExitRecord = "exit.pb";
inline constexpr absl::string_view kShimSocket = "shim.sock";

// The cgroup that pods are below unless a client names another parent.
inline constexpr absl::string_view kDefaultCgroupParent = "/gantry";
// The same with systemd: the path of the slice "gantry.slice".
inline constexpr absl::string_view kDefaultParentSlice = "/gantry.slice";

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_PATHS_H_
