#include "runtime/sys/spare_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace gantry::sys {
namespace {

constexpr size_t kDeep = 48 * 1024;

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// Leaves so much of the stack written to; gives an address in the midst of it.
__attribute__((noinline)) uintptr_t GoDeep() {
  volatile char frame[kDeep];
  for (size_t i = 0; i < kDeep; ++i) frame[i] = 1;
  return reinterpret_cast<uintptr_t>(&frame[kDeep / 4]);
}

// Whether the page of `address` is in memory (mincore(2)).
bool IsThere(uintptr_t address) {
  unsigned char resident = 0;
  EXPECT_EQ(mincore(reinterpret_cast<void*>(address / PageSize() * PageSize()),
                    PageSize(), &resident),
            0);
  return (resident & 1) != 0;
}

TEST(SpareMemoryTest, PagesOfADeepCallAreGivenBack) {
  char kept[256];
  memset(kept, 7, sizeof kept);
  const uintptr_t deep = GoDeep();
  ASSERT_TRUE(IsThere(deep));
  GiveBackSpareMemory();
  EXPECT_FALSE(IsThere(deep));
  for (char c : kept) EXPECT_EQ(c, 7);
}

// KiB of this process that are mapped in from files (proc(5)).
int64_t FileKib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind("RssFile:", 0) == 0) return std::atoll(line.c_str() + 8);
  }
  ADD_FAILURE() << "no RssFile";
  return 0;
}

TEST(SpareMemoryTest, CodeThatServedTheStartIsForgotten) {
  const int64_t before = FileKib();
  ForgetIdleCode();
  EXPECT_LT(FileKib(), before * 3 / 4);
  // All is there as before, constants as well.
  EXPECT_EQ(std::to_string(1 << 20) + " KiB", "1048576 KiB");
}

}  // namespace
}  // namespace gantry::sys
