// What the kernel tests of cgroup v2 have in common (kernel_test.h). Where a
// controller is not on a cgroup2 mount a test skips itself.

#ifndef GANTRY_RUNTIME_CGROUP_TESTING_V2_KERNEL_TEST_H_
#define GANTRY_RUNTIME_CGROUP_TESTING_V2_KERNEL_TEST_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "runtime/cgroup/testing/kernel_test.h"
#include "runtime/cgroup/wait.h"

namespace gantry::cgroup::testing {

inline constexpr int64_t kMiB = 1 << 20;

inline Resources Unified(std::string file, std::string value) {
  Resources resources;
  resources.unified = {{std::move(file), std::move(value)}};
  return resources;
}

class V2KernelTest : public KernelTest {
 protected:
  // Whether the controller is on cgroup2.
  bool Has(absl::string_view controller) const {
    const auto found = hierarchies_->Find(controller);
    return found.has_value() && found->version == Version::kV2;
  }

  std::string ReadIn(const Manager& cgroup, const std::string& file) const {
    return Read(*hierarchies_->unified(), cgroup.path() + "/" + file);
  }

  // Whether `done` becomes true within some seconds.
  template <typename Done>
  bool Soon(Done done) const {
    Backoff backoff(std::chrono::milliseconds(20000));
    do {
      if (done()) return true;
    } while (backoff.Pause());
    return false;
  }

  uint64_t Usage(const Manager& cgroup) const {
    return cgroup.ReadStats().value().memory.usage_bytes.value_or(0);
  }
};

}  // namespace gantry::cgroup::testing

#endif  // GANTRY_RUNTIME_CGROUP_TESTING_V2_KERNEL_TEST_H_
