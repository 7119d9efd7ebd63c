// A container for tests: a plan over a tiny rootfs made of busybox, started
// through clone3 as the shim does it, and its output.
//
// Needs root. Everything lies in a temporary directory and in namespaces of
// the container's own; the destructor kills and reaps what runs.

#ifndef GANTRY_SHIM_INIT_TESTING_CONTAINER_H_
#define GANTRY_SHIM_INIT_TESTING_CONTAINER_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "proto/plan.pb.h"
#include "proto/shim.pb.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/testing/temp_dir.h"
#include "shim/init/init.h"

namespace gantry::init::testing {

// How one process went.
struct Outcome {
  // Of the set-up; OK if the program was executed.
  absl::Status start;
  bool ready = false;
  shim::Started started;
  // Output of both streams or of the terminal, up to the end.
  std::string output;
  // The terminal's master, if there is one.
  UniqueFd console;
  // As a shell counts.
  int exit_code = -1;
};

class Container {
 public:
  // A plan that works: busybox as one layer, an upper directory, the default
  // mounts, all capabilities that this process has, no seccomp.
  Container();
  ~Container();

  plan::InitPlan& plan() { return plan_; }
  plan::NamespacePlan& namespaces() { return namespaces_; }

  // From now on it starts in a user namespace with ids 0 to 65535, which are
  // kFirstHostId and on outside; rootfs and binds are mapped.
  static constexpr uint32_t kFirstHostId = 300000;
  void UseUserNamespace();

  // A directory of the host, and a file in a layer ("bottom", ...).
  std::string HostPath(const std::string& name) const;
  void MakeDirectory(const std::string& name);
  void WriteFile(const std::string& name, const std::string& text,
                 mode_t mode = 0644);

  // Runs `sh -c script` (or what plan().args() says) to its end.
  Outcome Run(const std::string& script);

  // Starts and waits for success, leaving it to run; then Exec may be called.
  absl::Status Start(const std::string& script);
  // The process of Start.
  pid_t pid() const { return pid_; }
  // Runs a further process in it.
  Outcome Exec(ExecPlan plan);
  // Kills and reaps the process of Start; its exit code as a shell counts.
  int Stop(int signal);

 private:
  plan::InitPlan plan_;
  plan::NamespacePlan namespaces_;
  sys::testing::TempDir dir_;
  UniqueFd user_namespace_;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd pidns_;
};

}  // namespace gantry::init::testing

#endif  // GANTRY_SHIM_INIT_TESTING_CONTAINER_H_
