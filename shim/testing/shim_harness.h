// A container of a test's own, run by the real gantry-shim binary.
//
// Everything it makes on the machine (directories, cgroups, processes) it
// removes in its destructor. Needs root and the kernel. Not thread-safe.

#ifndef GANTRY_SHIM_TESTING_SHIM_HARNESS_H_
#define GANTRY_SHIM_TESTING_SHIM_HARNESS_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/plan.pb.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/cgroup/hierarchies.h"
#include "runtime/sys/spawn.h"
#include "runtime/sys/testing/temp_dir.h"
#include "shim/donation.h"

namespace gantry::shim::testing {

struct Received {
  Envelope message;
  std::vector<UniqueFd> fds;
};

// One connection to a shim, read with a deadline.
class Client {
 public:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }

  // The next message; NOT_FOUND if none comes, OUT_OF_RANGE at the end.
  absl::StatusOr<Received> Next(int timeout_ms = 10000);
  // Sends `request` under a new id and gives the answer to it; events that come
  // before it are kept for NextEvent.
  absl::StatusOr<Received> Ask(Envelope request, std::vector<int> fds = {});
  // The next event that `wanted` says yes to; others are dropped.
  absl::StatusOr<Received> NextEvent(
      const std::function<bool(const Envelope&)>& wanted,
      int timeout_ms = 10000);

 private:
  UniqueFd socket_;
  uint64_t last_id_ = 0;
  std::vector<Received> events_;
};

// The built binary, sealed as the server has it. Dies if it is not there.
const UniqueFd& ShimBinary();

class ShimHarness {
 public:
  ShimHarness();
  ~ShimHarness();
  ShimHarness(const ShimHarness&) = delete;
  ShimHarness& operator=(const ShimHarness&) = delete;

  // A container over a rootfs of busybox that runs `args`, in namespaces of its
  // own, without limits.
  plan::ContainerPlan MakePlan(std::vector<std::string> args) const;

  // Executes the shim; returns the handshake. `donation`: namespaces to join.
  std::unique_ptr<Client> Launch(const plan::ContainerPlan& plan,
                                 Donation donation = {});
  // Launches and waits for Started; dies if it doesn't come.
  std::unique_ptr<Client> Start(const plan::ContainerPlan& plan,
                                Donation donation = {});
  const Started& started() const { return started_; }

  std::unique_ptr<Client> Connect();

  // Runs `args` by ExecRequest: output (stdout and stderr) and exit code.
  struct ExecOutcome {
    std::string output;
    int exit_code = -1;
  };
  absl::StatusOr<ExecOutcome> Exec(Client& client,
                                   std::vector<std::string> args,
                                   absl::string_view input = "");

  // Log lines, without their timestamps.
  std::vector<std::string> LogLines() const;
  // Waits until the log has `count` lines.
  std::vector<std::string> WaitForLogLines(size_t count) const;
  // Waits until the shim has gone; false if it doesn't.
  bool WaitForShim(int timeout_ms = 15000) const;
  std::optional<Exited> ExitRecord() const;

  // Directories of the container's cgroup that exist.
  std::vector<std::string> CgroupDirectories() const;
  pid_t shim_pid() const { return spawned_.pid; }
  int shim_pidfd() const { return spawned_.pidfd.get(); }
  int run_directory() const { return run_.get(); }
  std::string Path(absl::string_view name) const;
  const std::string& cgroup_path() const { return cgroup_path_; }

 private:
  void MakeRootfs();

  sys::testing::TempDir dir_;
  UniqueFd run_;
  std::string cgroup_parent_;
  std::string cgroup_path_;
  std::unique_ptr<cgroup::Hierarchies> hierarchies_;
  sys::Spawned spawned_;
  Started started_;
  int execs_ = 0;
};

// What the machine has of what a harness and its shim make: the host's mounts,
// cgroups of this test.
struct MachineState {
  std::string mounts;
  std::vector<std::string> cgroups;
  bool operator==(const MachineState&) const = default;
};
MachineState ReadMachineState();

}  // namespace gantry::shim::testing

#endif  // GANTRY_SHIM_TESTING_SHIM_HARNESS_H_
