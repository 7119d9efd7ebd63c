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
  stats.writable_layer = {.at = 42, .usage = {.bytes = 4096, .inodes = 3}};
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
  stats.cgroup->at = 5;
  stats.cgroup->counters.cpu.usage_ns = 7;
  stats.cgroup->counters.memory.working_set_bytes = 0;
  runtime::v1::ContainerStats to = ContainerStatsToCri(stats, "/r/c");
  EXPECT_EQ(to.cpu().usage_core_nano_seconds().value(), 7);
  EXPECT_TRUE(to.memory().has_working_set_bytes());
  EXPECT_FALSE(to.memory().has_usage_bytes());
  EXPECT_FALSE(to.memory().has_available_bytes());
  EXPECT_FALSE(to.cpu().has_psi());
  EXPECT_FALSE(to.cpu().has_usage_nano_cores());
  EXPECT_EQ(to.cpu().timestamp(), 5);
  EXPECT_FALSE(to.has_io());
}

TEST(ContainerStatsToCri, ALayerThatCannotBeMeasuredIsAbsent) {
  core::ContainerStats stats = Stopped();
  stats.writable_layer.reset();
  EXPECT_FALSE(ContainerStatsToCri(stats, "/r/c").has_writable_layer());
}

TEST(ContainerStatsToCri, PressureIsInNanoseconds) {
  core::ContainerStats stats = Stopped();
  stats.cgroup.emplace();
  cgroup::IoStats& io = stats.cgroup->counters.io;
  io.pressure.emplace();
  io.pressure->some.total_us = 5;
  io.pressure->full.avg10_percent = 1.5;
  runtime::v1::ContainerStats to = ContainerStatsToCri(stats, "/r/c");
  EXPECT_EQ(to.io().psi().some().total(), 5000);
  EXPECT_EQ(to.io().psi().full().avg10(), 1.5);
}

net::LinkStats Link(const std::string& name, uint64_t bytes,
                    bool loopback = false) {
  net::LinkStats link;
  link.name = name;
  link.loopback = loopback;
  link.rx_bytes = bytes;
  link.tx_errors = bytes + 1;
  return link;
}

TEST(DefaultInterface, IsThePodsOwnOrElseTheFirst) {
  std::vector<net::LinkStats> links = {Link("lo", 1, true)};
  EXPECT_EQ(DefaultInterface(links), nullptr);
  links.push_back(Link("net1", 2));
  EXPECT_EQ(DefaultInterface(links)->name, "net1");
  links.push_back(Link("eth0", 3));
  EXPECT_EQ(DefaultInterface(links)->name, "eth0");
}

TEST(PodStatsToCri, TellsAllThatIsKnown) {
  auto pod = std::make_shared<record::PodRecord>();
  pod->set_id("p1");
  pod->mutable_metadata()->set_uid("u1");
  (*pod->mutable_labels())["a"] = "b";
  core::PodStats stats;
  stats.pod = pod;
  stats.at = 9;
  stats.cgroup.emplace();
  stats.cgroup->at = 8;
  stats.cgroup->counters.cpu.usage_ns = 7;
  stats.cgroup->usage_nano_cores = 6;
  stats.cgroup->counters.memory.rss_bytes = 5;
  stats.process_count = 4;
  stats.links = {Link("lo", 1, true), Link("eth0", 3)};
  stats.containers.push_back(Stopped());
  runtime::v1::PodSandboxStats to = PodStatsToCri(stats, "/r/c");
  EXPECT_EQ(to.attributes().id(), "p1");
  EXPECT_EQ(to.attributes().metadata().uid(), "u1");
  EXPECT_EQ(to.attributes().labels().at("a"), "b");
  EXPECT_FALSE(to.has_windows());
  EXPECT_EQ(to.linux().cpu().timestamp(), 8);
  EXPECT_EQ(to.linux().cpu().usage_core_nano_seconds().value(), 7);
  EXPECT_EQ(to.linux().cpu().usage_nano_cores().value(), 6);
  EXPECT_EQ(to.linux().memory().rss_bytes().value(), 5);
  EXPECT_FALSE(to.linux().has_io());
  EXPECT_EQ(to.linux().process().process_count().value(), 4);
  EXPECT_EQ(to.linux().network().timestamp(), 9);
  EXPECT_EQ(to.linux().network().default_interface().name(), "eth0");
  EXPECT_EQ(to.linux().network().default_interface().tx_errors().value(), 4);
  ASSERT_EQ(to.linux().network().interfaces_size(), 1);
  EXPECT_EQ(to.linux().network().interfaces(0).rx_bytes().value(), 1);
  ASSERT_EQ(to.linux().containers_size(), 1);
  EXPECT_EQ(to.linux().containers(0).attributes().id(), "c1");
}

TEST(PodStatsToCri, APodOnTheHostsNetworkHasNoneOfItsOwn) {
  core::PodStats stats;
  stats.pod = std::make_shared<record::PodRecord>();
  runtime::v1::PodSandboxStats to = PodStatsToCri(stats, "/r/c");
  EXPECT_TRUE(to.has_linux());
  EXPECT_FALSE(to.linux().has_network());
  EXPECT_FALSE(to.linux().has_cpu());
  EXPECT_FALSE(to.linux().has_process());
}

}  // namespace
}  // namespace gantry::cri
