#include "server/cri/translate_stats.h"

#include <memory>

#include "gtest/gtest.h"

namespace gantry::cri {
namespace {

core::ContainerStats Stopped() {
  auto container = std::make_shared<record::ContainerRecord>();
  container->set_id("c1");
  container->mutable_metadata()->set_name("main");
  core::ContainerStats stats;
  stats.container = container;
  stats.at = 42;
  stats.writable_layer = {.bytes = 4096, .inodes = 3};
  return stats;
}

TEST(ContainerStatsToCri, StoppedContainerHasItsLayerOnly) {
  runtime::v1::ContainerStats to = ContainerStatsToCri(Stopped(), "/r/c");
  EXPECT_EQ(to.attributes().id(), "c1");
  EXPECT_EQ(to.attributes().metadata().name(), "main");
  EXPECT_FALSE(to.has_cpu());
  EXPECT_FALSE(to.has_memory());
  EXPECT_EQ(to.writable_layer().used_bytes().value(), 4096);
  EXPECT_EQ(to.writable_layer().inodes_used().value(), 3);
  EXPECT_EQ(to.writable_layer().fs_id().mountpoint(), "/r/c");
  EXPECT_EQ(to.writable_layer().timestamp(), 42);
}

TEST(ContainerStatsToCri, WhatIsNotCountedIsAbsent) {
  core::ContainerStats stats = Stopped();
  stats.cgroup.emplace();
  stats.cgroup->cpu.usage_ns = 7;
  stats.cgroup->memory.working_set_bytes = 0;
  runtime::v1::ContainerStats to = ContainerStatsToCri(stats, "/r/c");
  EXPECT_EQ(to.cpu().usage_core_nano_seconds().value(), 7);
  EXPECT_TRUE(to.memory().has_working_set_bytes());
  EXPECT_FALSE(to.memory().has_usage_bytes());
  EXPECT_FALSE(to.memory().has_available_bytes());
  EXPECT_FALSE(to.cpu().has_psi());
  EXPECT_FALSE(to.has_io());
}

TEST(ContainerStatsToCri, PressureIsInNanoseconds) {
  core::ContainerStats stats = Stopped();
  stats.cgroup.emplace();
  stats.cgroup->io.pressure.emplace();
  stats.cgroup->io.pressure->some.total_us = 5;
  stats.cgroup->io.pressure->full.avg10_percent = 1.5;
  runtime::v1::ContainerStats to = ContainerStatsToCri(stats, "/r/c");
  EXPECT_EQ(to.io().psi().some().total(), 5000);
  EXPECT_EQ(to.io().psi().full().avg10(), 1.5);
}

}  // namespace
}  // namespace gantry::cri
