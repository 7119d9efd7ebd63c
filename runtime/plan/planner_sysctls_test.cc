#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/testing/plan_cases.h"

namespace gantry::plan {
namespace {

using testing::Build;
using testing::Spec;

TEST(BuildPlan, SysctlsOfOwnNamespacesOnly) {
  spec::ContainerSpec spec = Spec();
  auto& sysctls = *spec.mutable_sysctls();
  sysctls["net.ipv4.ip_forward"] = "1";
  sysctls["kernel.shmmax"] = "5";
  sysctls["net/ipv4/conf/eth0.1/forwarding"] = "0";
  ContainerPlan plan = *Build(spec);
  EXPECT_EQ(plan.init().sysctls().at("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(plan.init().sysctls().at("net/ipv4/conf/eth0.1/forwarding"), "0");
  spec.mutable_namespaces()->set_network(spec::NODE);
  EXPECT_FALSE(Build(spec).ok());
}

TEST(BuildPlan, SysctlsOfTheHostOrWithTricksAreRefused) {
  const std::pair<const char*, std::string> kBad[] = {
      {"kernel.core_pattern", "|/x"},
      {"vm.swappiness", "1"},
      {"net.ipv4.ip_forward", "1\nkernel.core_pattern=|/x"},
      {"net..x", "1"},
      {"net.x", "1+kernel.core_pattern=|/x"},
      {"net.x", "1+2"},
      {"net.x", "a=b"},
      {"net.x", std::string("1\0", 2)},
      {"net.x", "$(x)"},
      {"kernel.domainname", "x"},
      {"kernel.shm", "1"},
      {"kernel.shm_next_id", "1"},
      {"kernel.msg_next_id", "1"},
      {"net/../kernel/core_pattern", "1"},
      {"net.x+kernel.core_pattern", "1"},
      {"", "1"},
  };
  for (const auto& [key, value] : kBad) {
    spec::ContainerSpec spec = Spec();
    (*spec.mutable_sysctls())[key] = value;
    EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kInvalidArgument)
        << key;
  }
}

TEST(BuildPlan, SysctlsTakeTheValuesThatTheKernelWrites) {
  for (const char* value : {"1", "-1", "250 32000\t100", "8080,9148-9150",
                            "bbr", "fq_codel", "2001:db8::1/64", "0.5", ""}) {
    spec::ContainerSpec spec = Spec();
    (*spec.mutable_sysctls())["net.ipv4.x"] = value;
    absl::StatusOr<ContainerPlan> plan = Build(spec);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->init().sysctls().at("net/ipv4/x"), value);
  }
}

TEST(BuildPlan, ASysctlInTwoSpellingsIsRefused) {
  spec::ContainerSpec spec = Spec();
  (*spec.mutable_sysctls())["net.ipv4.x"] = "1";
  (*spec.mutable_sysctls())["net/ipv4/x"] = "2";
  EXPECT_EQ(Build(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gantry::plan
