// Memory that a process had use for once and keeps until somebody asks.
//
// Thread safety: any thread, also while others run; the stack meant is the
// caller's. Does not block.

#ifndef GANTRY_RUNTIME_SYS_SPARE_MEMORY_H_
#define GANTRY_RUNTIME_SYS_SPARE_MEMORY_H_

namespace gantry::sys {

// Gives back to the kernel what the allocator holds free, and the pages of the
// stack below the caller's frame, which a deep call before has touched
// (malloc_trim(3), MADV_DONTNEED of madvise(2)). For processes that wait long
// after they worked hard; whatever is needed again comes as zeros.
void GiveBackSpareMemory();

// Drops what is mapped in of the program's and its libraries' code and
// constants: most of it served the start alone. It stays in the page cache,
// where what nobody maps is the first to go; what is used again is mapped again
// on the spot, some pages at a time (a microsecond each). Objects whose code
// was relocated (DT_TEXTREL of elf(5)) are left alone.
void ForgetIdleCode();

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_SPARE_MEMORY_H_
