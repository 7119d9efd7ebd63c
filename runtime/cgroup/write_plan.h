// Carries out a plan of writes in one cgroup directory.
//
// Thread safety: reentrant. Blocks only for cgroupfs.

#ifndef GANTRY_RUNTIME_CGROUP_WRITE_PLAN_H_
#define GANTRY_RUNTIME_CGROUP_WRITE_PLAN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/base/undo_stack.h"
#include "runtime/cgroup/file_write.h"

namespace gantry::cgroup {

// A cgroup's directory. Borrows both; they must outlive it and, if undo steps
// are pushed, those as well.
struct Place {
  int hierarchy_fd = -1;
  absl::string_view path;
};

// Writes all, in order; stops at the first failure. NOT_FOUND if the cgroup is
// gone, FAILED_PRECONDITION if it hasn't got a file that is needed. If `undo`
// is given, each file is read before it is written and a step that puts the old
// value back is pushed.
absl::Status PerformWrites(const Place& place, const Writes& writes,
                           UndoStack* undo);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_WRITE_PLAN_H_
