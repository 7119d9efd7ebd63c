// Programs run in a container beside its first one.
//
// Thread safety: all methods from any thread. A call holds no lock and no
// thread while the program runs.

#ifndef GANTRY_SERVER_CORE_EXEC_SERVICE_H_
#define GANTRY_SERVER_CORE_EXEC_SERVICE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/node.h"
#include "server/core/steps.h"
#include "server/work/task.h"

namespace gantry::core {

struct ExecResult {
  // As a shell counts: 128 + signal when killed.
  int exit_code = 0;
  // Each at most kExecOutputLimit; what came after is dropped, as CRI says.
  std::string stdout_data;
  std::string stderr_data;
};

inline constexpr size_t kExecOutputLimit = 16 << 20;

class ExecService {
 public:
  // `node` must outlive this.
  explicit ExecService(Node& node) : node_(node) {}

  // Runs `args` to its end. Zero timeout: none. DEADLINE_EXCEEDED after
  // `timeout`, the program and its descendants killed. FAILED_PRECONDITION if
  // the container does not run; a child that keeps the output open does not
  // hold the answer.
  work::Task<absl::StatusOr<ExecResult>> ExecSync(std::string container_id,
                                                  std::vector<std::string> args,
                                                  absl::Duration timeout,
                                                  StepScope steps = {});

 private:
  Node& node_;
};

}  // namespace gantry::core

#endif  // GANTRY_SERVER_CORE_EXEC_SERVICE_H_
