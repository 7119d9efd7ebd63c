#include "server/cri/translate_resources.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using ::runtime::v1::LinuxContainerResources;
using ::testing::HasSubstr;
using testing::StatusIs;

TEST(ResourcesFromCri, ZeroIsNotSet) {
  ASSERT_OK_AND_ASSIGN(spec::Resources to,
                       ResourcesFromCri(LinuxContainerResources(), "r"));
  EXPECT_FALSE(to.has_memory_limit());
  EXPECT_FALSE(to.has_cpu_quota());
  EXPECT_FALSE(to.has_cpu_period());
  EXPECT_FALSE(to.has_cpu_shares());
  EXPECT_FALSE(to.has_memory_swap_limit());
  EXPECT_FALSE(to.has_pids_limit());
}

TEST(ResourcesFromCri, TakesEverythingAndGivesItBack) {
  LinuxContainerResources from;
  from.set_cpu_period(100000);
  from.set_cpu_quota(50000);
  from.set_cpu_shares(512);
  from.set_memory_limit_in_bytes(1 << 20);
  from.set_memory_swap_limit_in_bytes(1 << 21);
  from.set_cpuset_cpus("0-2,7");
  from.set_cpuset_mems("0");
  from.set_oom_score_adj(-5);
  auto& huge = *from.add_hugepage_limits();
  huge.set_page_size("2MB");
  huge.set_limit(0);
  (*from.mutable_unified())["memory.high"] = "104857600";
  ASSERT_OK_AND_ASSIGN(spec::Resources to, ResourcesFromCri(from, "r"));
  EXPECT_EQ(to.cpu_quota(), 50000);
  EXPECT_EQ(to.memory_swap_limit(), 1 << 21);
  ASSERT_EQ(to.hugepages_size(), 1);
  EXPECT_EQ(to.hugepages(0).limit(), 0);
  EXPECT_EQ(ResourcesToCri(to, -5).SerializeAsString(),
            from.SerializeAsString());
}

TEST(ResourcesFromCri, AnyNegativeQuotaIsNoLimit) {
  LinuxContainerResources from;
  from.set_cpu_quota(-17);
  ASSERT_OK_AND_ASSIGN(spec::Resources to, ResourcesFromCri(from, "r"));
  EXPECT_EQ(to.cpu_quota(), -1);
}

TEST(ResourcesFromCri, BadValuesNameTheirField) {
  using R = LinuxContainerResources;
  struct Case {
    std::function<void(R&)> spoil;
    const char* field;
  };
  const std::vector<Case> cases = {
      {[](R& r) { r.set_cpu_period(-1); }, "r.cpu_period"},
      {[](R& r) { r.set_cpu_shares(-1); }, "r.cpu_shares"},
      {[](R& r) { r.set_memory_limit_in_bytes(-2); },
       "r.memory_limit_in_bytes"},
      {[](R& r) { r.set_memory_swap_limit_in_bytes(-2); },
       "r.memory_swap_limit_in_bytes"},
      {[](R& r) {
         r.set_memory_limit_in_bytes(100);
         r.set_memory_swap_limit_in_bytes(50);
       },
       "r.memory_swap_limit_in_bytes"},
      {[](R& r) { r.set_cpuset_cpus("0;1"); }, "r.cpuset_cpus"},
      {[](R& r) { r.set_cpuset_mems("a"); }, "r.cpuset_mems"},
      {[](R& r) { r.add_hugepage_limits()->set_page_size("2mb"); },
       "r.hugepage_limits[0].page_size"},
      {[](R& r) { r.add_hugepage_limits()->set_page_size("../x2MB"); },
       "r.hugepage_limits[0].page_size"},
      {[](R& r) {
         r.add_hugepage_limits()->set_page_size("2MB");
         r.add_hugepage_limits()->set_page_size("2MB");
       },
       "r.hugepage_limits[1].page_size"},
      {[](R& r) { (*r.mutable_unified())["../memory.max"] = "1"; },
       "r.unified"},
      {[](R& r) { (*r.mutable_unified())["tasks"] = "1"; }, "r.unified"},
      {[](R& r) { (*r.mutable_unified())["cgroup.procs"] = "1"; }, "r.unified"},
      {[](R& r) {
         (*r.mutable_unified())["memory.max"] = std::string("1\0", 2);
       },
       "r.unified"},
  };
  for (const Case& bad : cases) {
    R resources;
    bad.spoil(resources);
    EXPECT_THAT(
        ResourcesFromCri(resources, "r"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.field)));
  }
}

TEST(PodResourcesFromCri, APodHasNoProcess) {
  LinuxContainerResources from;
  from.set_cpu_shares(512);
  from.set_cpuset_cpus("0-1");
  ASSERT_OK_AND_ASSIGN(spec::Resources to, PodResourcesFromCri(from, "r"));
  EXPECT_EQ(to.cpu_shares(), 512);
  EXPECT_EQ(to.cpuset_cpus(), "0-1");
  from.set_oom_score_adj(1);
  EXPECT_THAT(PodResourcesFromCri(from, "r"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("r.oom_score_adj")));
}

TEST(PodOverheadFromCri, IsOnlyWhatCanBeAdded) {
  LinuxContainerResources from;
  from.set_memory_limit_in_bytes(1 << 20);
  ASSERT_OK_AND_ASSIGN(spec::Resources to, PodOverheadFromCri(from, "o"));
  EXPECT_EQ(to.memory_limit(), 1 << 20);
  using R = LinuxContainerResources;
  const std::vector<std::pair<std::function<void(R&)>, const char*>> cases = {
      {[](R& r) { r.set_cpuset_cpus("0"); }, "o.cpuset_cpus"},
      {[](R& r) { r.set_cpuset_mems("0"); }, "o.cpuset_mems"},
      {[](R& r) { (*r.mutable_unified())["memory.high"] = "1"; }, "o.unified"},
      {[](R& r) { r.set_oom_score_adj(-1); }, "o.oom_score_adj"},
      {[](R& r) { r.set_cpu_shares(-1); }, "o.cpu_shares"},
  };
  for (const auto& [spoil, field] : cases) {
    R bad;
    spoil(bad);
    EXPECT_THAT(PodOverheadFromCri(bad, "o"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field)));
  }
}

TEST(CheckOomScoreAdj, HasTheKernelsRange) {
  LinuxContainerResources resources;
  resources.set_oom_score_adj(-1000);
  EXPECT_OK(CheckOomScoreAdj(resources, "r"));
  resources.set_oom_score_adj(1001);
  EXPECT_THAT(CheckOomScoreAdj(resources, "r"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("r.oom_score_adj")));
}

}  // namespace
}  // namespace gantry::cri
