#include "server/core/merge_resources.h"

#include "gtest/gtest.h"

namespace gantry::core {
namespace {

void AddHugepages(spec::Resources& resources, const char* size,
                  uint64_t limit) {
  spec::HugepageLimit& added = *resources.add_hugepages();
  added.set_page_size(size);
  added.set_limit(limit);
}

TEST(MergeResources, OverwritesOnlyWhatIsSet) {
  spec::Resources target;
  target.set_memory_limit(100);
  target.set_cpu_shares(5);
  target.set_cpuset_cpus("0-1");
  *target.add_hugepages() = [] {
    spec::HugepageLimit limit;
    limit.set_page_size("2MB");
    limit.set_limit(1);
    return limit;
  }();
  spec::Resources update;
  update.set_memory_limit(200);
  update.add_hugepages()->set_page_size("2MB");
  update.mutable_hugepages(0)->set_limit(9);
  MergeResources(update, target);
  EXPECT_EQ(target.memory_limit(), 200);
  EXPECT_EQ(target.cpu_shares(), 5u);
  EXPECT_EQ(target.cpuset_cpus(), "0-1");
  ASSERT_EQ(target.hugepages_size(), 1);
  EXPECT_EQ(target.hugepages(0).limit(), 9u);
}

TEST(MergeResources, AMemoryLimitChangedAloneKeepsTheAllowanceOfSwap) {
  spec::Resources target;
  target.set_memory_limit(100);
  target.set_memory_swap_limit(150);
  spec::Resources update;
  update.set_memory_limit(70);
  MergeResources(update, target);
  EXPECT_EQ(target.memory_limit(), 70);
  EXPECT_EQ(target.memory_swap_limit(), 120);
  update.set_memory_limit(-1);
  MergeResources(update, target);
  EXPECT_EQ(target.memory_swap_limit(), -1);

  update.set_memory_limit(10);
  update.set_memory_swap_limit(10);
  MergeResources(update, target);
  EXPECT_EQ(target.memory_limit(), 10);
  EXPECT_EQ(target.memory_swap_limit(), 10);

  spec::Resources without_swap;
  without_swap.set_memory_limit(5);
  update.clear_memory_swap_limit();
  MergeResources(update, without_swap);
  EXPECT_FALSE(without_swap.has_memory_swap_limit());
}

TEST(PodLimits, AddWhatThePodCosts) {
  spec::Resources resources;
  resources.set_memory_limit(1000);
  resources.set_memory_swap_limit(1500);
  resources.set_cpu_shares(200);
  resources.set_cpu_period(50'000);
  resources.set_cpu_quota(25'000);
  resources.set_cpuset_cpus("0-1");
  AddHugepages(resources, "2MB", 8);
  AddHugepages(resources, "1GB", 0);
  spec::Resources overhead;
  overhead.set_memory_limit(24);
  overhead.set_cpu_shares(50);
  overhead.set_cpu_period(100'000);
  overhead.set_cpu_quota(10'000);
  AddHugepages(overhead, "2MB", 2);

  spec::Resources limits = PodLimits(overhead, resources);
  EXPECT_EQ(limits.memory_limit(), 1024);
  EXPECT_EQ(limits.memory_swap_limit(), 1524);
  EXPECT_EQ(limits.cpu_shares(), 250);
  // A tenth of a CPU is 5000 us of this period.
  EXPECT_EQ(limits.cpu_period(), 50'000);
  EXPECT_EQ(limits.cpu_quota(), 30'000);
  EXPECT_EQ(limits.cpuset_cpus(), "0-1");
  ASSERT_EQ(limits.hugepages_size(), 2);
  EXPECT_EQ(limits.hugepages(0).limit(), 10);
  EXPECT_EQ(limits.hugepages(1).limit(), 0);
}

TEST(PodLimits, WhatContainersAreNotLimitedInThePodIsNotEither) {
  spec::Resources overhead;
  overhead.set_memory_limit(24);
  overhead.set_memory_swap_limit(24);
  overhead.set_cpu_shares(50);
  overhead.set_cpu_quota(10'000);
  AddHugepages(overhead, "2MB", 2);
  spec::Resources limits = PodLimits(overhead, {});
  EXPECT_EQ(limits.ByteSizeLong(), 0);

  spec::Resources resources;
  resources.set_memory_limit(-1);
  resources.set_memory_swap_limit(-1);
  resources.set_cpu_quota(-1);
  limits = PodLimits(overhead, resources);
  EXPECT_EQ(limits.memory_limit(), -1);
  EXPECT_EQ(limits.memory_swap_limit(), -1);
  EXPECT_EQ(limits.cpu_quota(), -1);
}

TEST(PodLimits, DoNotOverflow) {
  spec::Resources resources;
  resources.set_memory_limit(INT64_MAX - 1);
  resources.set_cpu_shares(262'000);
  spec::Resources overhead;
  overhead.set_memory_limit(1000);
  overhead.set_cpu_shares(1000);
  spec::Resources limits = PodLimits(overhead, resources);
  EXPECT_EQ(limits.memory_limit(), INT64_MAX);
  EXPECT_EQ(limits.cpu_shares(), 262'144);
}

}  // namespace
}  // namespace gantry::core
