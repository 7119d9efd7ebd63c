#include "runtime/sys/spare_memory.h"

#include <elf.h>
#include <link.h>
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

uintptr_t PageSize() { return static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)); }

bool HasRelocatedCode(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object.dlpi_phdr[i];
    if (header.p_type != PT_DYNAMIC) continue;
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + header.p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL ||
          (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0)) {
        return true;
      }
    }
  }
  return false;
}

// As dl_iterate_phdr(3) wants it. What is relocated lies in a writable segment,
// also where the loader has made it read-only since.
int ForgetReadOnlySegments(dl_phdr_info* object, size_t /*size*/,
                           void* /*data*/) {
  // The program itself has no name; the kernel's own object (vdso(7)) no path.
  const char first = object->dlpi_name[0];
  if ((first != '/' && first != '\0') || HasRelocatedCode(*object)) return 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
    const uintptr_t begin =
        (object->dlpi_addr + header.p_vaddr) / PageSize() * PageSize();
    const uintptr_t end = object->dlpi_addr + header.p_vaddr + header.p_filesz;
    // It only saves memory: where it cannot, nothing is wrong.
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void GiveBackSpareMemory() {
  malloc_trim(0);
  const auto frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const uintptr_t end = (frame - kInUse) / PageSize() * PageSize();
  madvise(reinterpret_cast<void*>(end - kDepth), kDepth, MADV_DONTNEED);
}

void ForgetIdleCode() { dl_iterate_phdr(ForgetReadOnlySegments, nullptr); }

}  // namespace gantry::sys
