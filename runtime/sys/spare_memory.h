// Memory that a process had use for once and keeps until somebody asks.
//
// Thread safety: any thread; the stack meant is the caller's. Does not block.

#ifndef GANTRY_RUNTIME_SYS_SPARE_MEMORY_H_
#define GANTRY_RUNTIME_SYS_SPARE_MEMORY_H_

namespace gantry::sys {

// Gives back to the kernel what the allocator holds free, and the pages of the
// stack below the caller's frame, which a deep call before has touched
// (malloc_trim(3), MADV_DONTNEED of madvise(2)). For processes that wait long
// after they worked hard; whatever is needed again comes as zeros.
void GiveBackSpareMemory();

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_SPARE_MEMORY_H_
