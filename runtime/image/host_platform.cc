// HostPlatform() of manifest.h. Of x86-64 it finds the level (x86-64 psABI
// section 3.1.1 "Micro-Architecture Levels"), which indexes call the variant.

#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "runtime/image/manifest.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace gantry::image {

#if defined(__x86_64__)
namespace {

constexpr unsigned Bits(std::initializer_list<int> bits) {
  unsigned mask = 0;
  for (int bit : bits) mask |= 1u << bit;
  return mask;
}

// Of leaf 1, ecx; leaf 7, ebx; leaf 0x80000001, ecx.
struct Features {
  unsigned one = 0;
  unsigned seven = 0;
  unsigned extended = 0;

  bool Has(const Features& all) const {
    return (one & all.one) == all.one && (seven & all.seven) == all.seven &&
           (extended & all.extended) == all.extended;
  }
};

// SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF.
constexpr Features kLevel2 = {.one = Bits({0, 9, 13, 19, 20, 23}),
                              .extended = Bits({0})};
// FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
constexpr Features kLevel3 = {.one = Bits({12, 22, 27, 28, 29}),
                              .seven = Bits({3, 5, 8}),
                              .extended = Bits({5})};
// AVX512 F, DQ, CD, BW, VL.
constexpr Features kLevel4 = {.seven = Bits({16, 17, 28, 30, 31})};
constexpr unsigned kOsxsave = 1u << 27;

// Which registers the kernel saves (XCR0).
unsigned SavedState() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

int Level() {
  Features cpu;
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0) cpu.one = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) cpu.seven = b;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d) != 0) cpu.extended = c;
  if (!cpu.Has(kLevel2)) return 1;
  if (!cpu.Has(kLevel3)) return 2;
  const unsigned saved = (cpu.one & kOsxsave) != 0 ? SavedState() : 0;
  if ((saved & 0x6) != 0x6) return 2;
  return cpu.Has(kLevel4) && (saved & 0xe6) == 0xe6 ? 4 : 3;
}

}  // namespace

Platform HostPlatform() {
  static const int level = Level();
  return {.os = "linux",
          .architecture = "amd64",
          .variant = absl::StrCat("v", level)};
}

#elif defined(__aarch64__)
Platform HostPlatform() {
  return {.os = "linux", .architecture = "arm64", .variant = "v8"};
}
#elif defined(__riscv) && __riscv_xlen == 64
Platform HostPlatform() { return {.os = "linux", .architecture = "riscv64"}; }
#else
#error "add this machine's name in Go's GOARCH form"
#endif

}  // namespace gantry::image
