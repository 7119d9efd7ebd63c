#include "server/cri/metric_table.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::cri {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

cgroup::Stats AllCounters() {
  cgroup::Pressure pressure;
  pressure.some.total_us = 3'500'000;
  pressure.full.total_us = 2'000'000;
  cgroup::Stats stats;
  stats.cpu = {.usage_ns = 3'900'000'000,
               .user_ns = 2'000'000'000,
               .system_ns = 1'000'000'000,
               .periods = 10,
               .throttled_periods = 4,
               .throttled_ns = 5'000'000'000,
               .pressure = pressure};
  cgroup::MemoryStats& memory = stats.memory;
  memory.usage_bytes = 1000;
  memory.working_set_bytes = 900;
  memory.rss_bytes = 800;
  memory.page_faults = 70;
  memory.major_page_faults = 7;
  memory.swap_usage_bytes = 5;
  memory.pressure = pressure;
  memory.cache_bytes = 100;
  memory.mapped_file_bytes = 50;
  memory.active_file_bytes = 40;
  memory.inactive_file_bytes = 60;
  memory.kernel_bytes = 30;
  memory.max_usage_bytes = 2000;
  memory.limit_hits = 2;
  memory.own_page_faults = 69;
  memory.own_major_page_faults = 6;
  stats.pids = {.current = 9, .limit = std::nullopt};
  // No device of any host.
  stats.io.devices = {{4000, 1, 11, 12, 13, 14}};
  stats.io.pressure = pressure;
  stats.hugepages = {{"2MB", 4096, std::nullopt, 8192}};
  stats.oom_kills = 1;
  return stats;
}

core::PodStats Everything() {
  auto pod = std::make_shared<record::PodRecord>();
  pod->set_id("p1");
  pod->set_name("full pod name");
  pod->mutable_metadata()->set_name("web");
  pod->mutable_metadata()->set_namespace_("shop");
  auto container = std::make_shared<record::ContainerRecord>();
  container->set_id("c1");
  container->set_name("full container name");
  container->set_image_ref("busybox:1");
  container->mutable_metadata()->set_name("main");
  container->mutable_started()->set_started_at(77'000'000'000);
  spec::Resources& resources = *container->mutable_spec()->mutable_resources();
  resources.set_cpu_period(100000);
  resources.set_cpu_quota(20000);
  resources.set_cpu_shares(1024);
  resources.set_memory_limit(1 << 20);
  resources.set_memory_swap_limit(-1);

  core::ContainerStats stats;
  stats.container = container;
  stats.cgroup.emplace();
  stats.cgroup->at = 88'000'000'000;
  stats.cgroup->counters = AllCounters();
  stats.processes = {.processes = 3, .descriptors = 20, .sockets = 4};
  stats.open_files_limit = 1024;
  stats.writable_layer = {.at = 1, .usage = {.bytes = 512, .inodes = 2}};

  core::PodStats all;
  all.pod = pod;
  all.at = 99;
  net::LinkStats lo, eth0;
  lo.name = "lo";
  lo.loopback = true;
  eth0.name = "eth0";
  eth0.rx_bytes = 1;
  eth0.tx_dropped = 8;
  all.links = {lo, eth0};
  all.containers = {stats};
  return all;
}

const core::LayersFilesystem kFilesystem = {
    .device = "/dev/x", .bytes = 100, .inodes = 10, .free_inodes = 4};

runtime::v1::PodSandboxMetrics Metrics() {
  return PodMetricsToCri(Everything(), kFilesystem);
}

// The values of one metric by those of its own labels, which stand behind the
// six common ones.
std::map<std::vector<std::string>, uint64_t> Values(
    const google::protobuf::RepeatedPtrField<runtime::v1::Metric>& metrics,
    const std::string& name) {
  std::map<std::vector<std::string>, uint64_t> values;
  for (const auto& metric : metrics) {
    if (metric.name() != name) continue;
    values[{metric.label_values().begin() + 6, metric.label_values().end()}] =
        metric.value().value();
  }
  return values;
}

uint64_t Value(const std::string& name) {
  const auto metrics = Metrics();
  const auto values = Values(metrics.container_metrics(0).metrics(), name);
  EXPECT_EQ(values.size(), 1) << name;
  return values.empty() ? 0 : values.begin()->second;
}

TEST(MetricTable, DescriptionsAreWholeAndDifferent) {
  std::set<std::string> names;
  const auto described = MetricDescriptors();
  for (const auto& descriptor : described.descriptors()) {
    EXPECT_TRUE(names.insert(descriptor.name()).second) << descriptor.name();
    EXPECT_THAT(descriptor.name(), StartsWith("container_"));
    EXPECT_FALSE(descriptor.help().empty());
    const auto& keys = descriptor.label_keys();
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(),
              keys.size())
        << descriptor.name();
    EXPECT_THAT(
        std::vector<std::string>(keys.begin(), keys.begin() + 6),
        ElementsAre("container", "id", "image", "name", "namespace", "pod"));
  }
}

TEST(MetricTable, AllThatIsDescribedIsToldWithAsManyLabels) {
  std::map<std::string, int> labels;
  const auto described = MetricDescriptors();
  for (const auto& descriptor : described.descriptors()) {
    labels[descriptor.name()] = descriptor.label_keys_size();
  }
  std::set<std::string> told;
  const auto metrics = Metrics();
  auto check = [&](const runtime::v1::Metric& metric) {
    told.insert(metric.name());
    ASSERT_TRUE(labels.contains(metric.name())) << metric.name();
    EXPECT_EQ(metric.label_values_size(), labels[metric.name()]);
    EXPECT_TRUE(metric.has_value());
  };
  for (const auto& metric : metrics.metrics()) {
    check(metric);
    EXPECT_EQ(metric.timestamp(), 99);
  }
  for (const auto& metric : metrics.container_metrics(0).metrics()) {
    check(metric);
    EXPECT_EQ(metric.timestamp(), 88'000'000'000);
  }
  for (const auto& [name, count] : labels) EXPECT_THAT(told, Contains(name));
}

TEST(MetricTable, LabelsSayWhoseItIs) {
  const auto metrics = Metrics();
  EXPECT_EQ(metrics.pod_sandbox_id(), "p1");
  EXPECT_EQ(metrics.container_metrics(0).container_id(), "c1");
  const auto& of_pod = metrics.metrics(0).label_values();
  EXPECT_THAT(
      std::vector<std::string>(of_pod.begin(), of_pod.end()),
      ElementsAre("", "p1", "", "full pod name", "shop", "web", "eth0"));
  const auto& own = metrics.container_metrics(0).metrics(0).label_values();
  EXPECT_THAT(std::vector<std::string>(own.begin(), own.end()),
              ElementsAre("main", "c1", "busybox:1", "full container name",
                          "shop", "web"));
}

TEST(MetricTable, ValuesAreInTheUnitsOfTheirNames) {
  EXPECT_EQ(Value("container_cpu_usage_seconds_total"), 3);
  EXPECT_EQ(Value("container_cpu_cfs_throttled_seconds_total"), 5);
  EXPECT_EQ(Value("container_pressure_io_waiting_seconds_total"), 3);
  EXPECT_EQ(Value("container_pressure_cpu_stalled_seconds_total"), 2);
  EXPECT_EQ(Value("container_memory_working_set_bytes"), 900);
  EXPECT_EQ(Value("container_start_time_seconds"), 77);
  EXPECT_EQ(Value("container_last_seen"), 88);
  EXPECT_EQ(Value("container_spec_cpu_quota"), 20000);
  EXPECT_EQ(Value("container_spec_memory_limit_bytes"), 1 << 20);
  // Unlimited, and not given.
  EXPECT_EQ(Value("container_spec_memory_swap_limit_bytes"), 0);
  EXPECT_EQ(Value("container_spec_memory_reservation_limit_bytes"), 0);
  EXPECT_EQ(Value("container_threads_max"), 0);
  EXPECT_EQ(Value("container_threads"), 9);
  EXPECT_EQ(Value("container_processes"), 3);
  EXPECT_EQ(Value("container_sockets"), 4);
  EXPECT_EQ(Value("container_oom_events_total"), 1);
  EXPECT_EQ(Value("container_fs_usage_bytes"), 512);
}

TEST(MetricTable, ValuesOfSeveralThings) {
  const auto all = Metrics();
  const auto& metrics = all.container_metrics(0).metrics();
  using Labels = std::vector<std::string>;
  using ::testing::Pair;
  EXPECT_THAT(Values(metrics, "container_memory_failures_total"),
              ElementsAre(Pair(Labels{"pgfault", "container"}, 69),
                          Pair(Labels{"pgfault", "hierarchy"}, 70),
                          Pair(Labels{"pgmajfault", "container"}, 6),
                          Pair(Labels{"pgmajfault", "hierarchy"}, 7)));
  EXPECT_THAT(Values(metrics, "container_blkio_device_usage_total"),
              ElementsAre(Pair(Labels{"4000:1", "4000", "1", "Read"}, 11),
                          Pair(Labels{"4000:1", "4000", "1", "Write"}, 12)));
  EXPECT_THAT(Values(metrics, "container_fs_reads_total"),
              ElementsAre(Pair(Labels{"4000:1"}, 13)));
  EXPECT_THAT(Values(metrics, "container_hugetlb_max_usage_bytes"),
              ElementsAre(Pair(Labels{"2MB"}, 8192)));
  EXPECT_THAT(Values(metrics, "container_fs_inodes_free"),
              ElementsAre(Pair(Labels{"/dev/x"}, 4)));
  EXPECT_THAT(Values(metrics, "container_ulimits_soft"),
              ElementsAre(Pair(Labels{"max_open_files"}, 1024)));
  EXPECT_THAT(Values(all.metrics(), "container_network_receive_bytes_total"),
              ElementsAre(Pair(Labels{"eth0"}, 1)));
}

TEST(MetricTable, WhatIsNotCountedIsLeftOut) {
  core::PodStats stats = Everything();
  stats.links.reset();
  stats.containers[0].cgroup->counters = {};
  stats.containers[0].processes.reset();
  const auto metrics = PodMetricsToCri(stats, kFilesystem);
  EXPECT_THAT(metrics.metrics(), IsEmpty());
  const auto& left = metrics.container_metrics(0).metrics();
  EXPECT_THAT(Values(left, "container_cpu_usage_seconds_total"), IsEmpty());
  EXPECT_THAT(Values(left, "container_threads_max"), IsEmpty());
  EXPECT_THAT(Values(left, "container_memory_failures_total"), IsEmpty());

  stats.containers[0].cgroup.reset();
  EXPECT_THAT(PodMetricsToCri(stats, kFilesystem).container_metrics(),
              IsEmpty());
}

}  // namespace
}  // namespace gantry::cri
