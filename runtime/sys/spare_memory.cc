#include "runtime/sys/spare_memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace gantry::sys {
namespace {

// Room for the frames of this file and of madvise itself.
constexpr uintptr_t kInUse = 1024;
// As deep as is looked for; a stack begins with twice that (execve(2)).
constexpr uintptr_t kDepth = uintptr_t{64} * 1024;

}  // namespace

void GiveBackSpareMemory() {
  malloc_trim(0);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const uintptr_t end = (frame - kInUse) / page * page;
  // It only saves memory: where it cannot, nothing is wrong.
  madvise(reinterpret_cast<void*>(end - kDepth), kDepth, MADV_DONTNEED);
}

}  // namespace gantry::sys
