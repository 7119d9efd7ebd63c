// Room for a smaller memory limit on cgroup v2.
//
// v1 answers EBUSY to a limit below what is in use and cannot be reclaimed; v2
// takes it and has the OOM killer make it true. A change of limits must not
// kill, so it is tried first with memory.high, which reclaims and never kills.
//
// Thread safety: reentrant; one caller at a time per cgroup. Blocks while the
// kernel reclaims (swapping out, for example).
// Source: Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files".

#ifndef GANTRY_RUNTIME_CGROUP_MEMORY_ROOM_H_
#define GANTRY_RUNTIME_CGROUP_MEMORY_ROOM_H_

#include "absl/status/status.h"
#include "runtime/base/undo_stack.h"
#include "runtime/cgroup/file_write.h"
#include "runtime/cgroup/write_plan.h"

namespace gantry::cgroup {

// Before `writes` are carried out in a cgroup2 directory: if they lower
// memory.max below what is in use, reclaims, and refuses with EBUSY if that is
// not enough. Until `hold` is run the use is kept down, so that the limit finds
// it as it was seen; then memory.high is what it was (or what `writes` say).
absl::Status MakeMemoryRoom(const Place& place, const Writes& writes,
                            UndoStack& hold);

}  // namespace gantry::cgroup

#endif  // GANTRY_RUNTIME_CGROUP_MEMORY_ROOM_H_
