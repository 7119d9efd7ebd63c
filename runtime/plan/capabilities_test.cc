#include "runtime/plan/capabilities.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::plan {
namespace {

HostFacts Host() {
  HostFacts facts;
  facts.last_capability = 40;
  facts.capabilities = (uint64_t{1} << 41) - 1;
  return facts;
}

TEST(Capabilities, NumbersAreTheKernels) {
  EXPECT_EQ(CapabilityNumber("CAP_CHOWN"), 0);
  EXPECT_EQ(CapabilityNumber("SYS_ADMIN"), 21);
  EXPECT_EQ(CapabilityNumber("CAP_CHECKPOINT_RESTORE"), 40);
  EXPECT_EQ(CapabilityNumber("cap_chown"), std::nullopt);
  EXPECT_EQ(CapabilityNumber("CAP_"), std::nullopt);
  EXPECT_EQ(CapabilityName(21), "CAP_SYS_ADMIN");
  EXPECT_EQ(CapabilityName(63), "CAP_63");
  EXPECT_EQ(AllCapabilities().size(), 41u);
}

TEST(Capabilities, TheDefaultSetIsThatOfContainerd) {
  spec::Security security;
  for (const std::string& name : DefaultCapabilities()) {
    security.add_capabilities(name);
  }
  Identity identity;
  std::vector<std::string> degraded;
  ASSERT_TRUE(PlanCapabilities(security, Host(), identity, degraded).ok());
  EXPECT_EQ(identity.cap_bounding(), 0xa80425fbu);
  EXPECT_EQ(identity.cap_effective(), 0xa80425fbu);
  EXPECT_EQ(identity.cap_permitted(), 0xa80425fbu);
  EXPECT_EQ(identity.cap_inheritable(), 0u);
  EXPECT_EQ(identity.cap_ambient(), 0u);
  EXPECT_TRUE(degraded.empty());
}

TEST(Capabilities, WhatTheHostLacksIsLeftOutAndNamed) {
  HostFacts facts = Host();
  facts.capabilities &= ~(uint64_t{1} << 24);
  facts.last_capability = 39;
  spec::Security security;
  for (const std::string& name : AllCapabilities()) {
    security.add_capabilities(name);
  }
  Identity identity;
  std::vector<std::string> degraded;
  ASSERT_TRUE(PlanCapabilities(security, facts, identity, degraded).ok());
  EXPECT_EQ(identity.cap_bounding(), 0xfffeffffffu);
  EXPECT_EQ(degraded, std::vector<std::string>(
                          {"capability CAP_SYS_RESOURCE: not available",
                           "capability CAP_CHECKPOINT_RESTORE: not "
                           "available"}));
}

TEST(Capabilities, PrivilegedHasAllThatThisProcessHas) {
  HostFacts facts = Host();
  facts.capabilities &= ~(uint64_t{1} << 24);
  spec::Security security;
  security.set_privileged(true);
  Identity identity;
  std::vector<std::string> degraded;
  ASSERT_TRUE(PlanCapabilities(security, facts, identity, degraded).ok());
  EXPECT_EQ(identity.cap_permitted(), facts.capabilities);
  EXPECT_EQ(degraded.size(), 1u);
}

TEST(Capabilities, AmbientOnesAreInheritableAndPermittedToo) {
  spec::Security security;
  security.add_ambient_capabilities("CAP_NET_ADMIN");
  Identity identity;
  std::vector<std::string> degraded;
  ASSERT_TRUE(PlanCapabilities(security, Host(), identity, degraded).ok());
  EXPECT_EQ(identity.cap_ambient(), 1u << 12);
  EXPECT_EQ(identity.cap_inheritable(), 1u << 12);
  EXPECT_EQ(identity.cap_permitted(), 1u << 12);
}

TEST(Capabilities, AnUnknownNameIsAnErrorThatNamesIt) {
  spec::Security security;
  security.add_capabilities("CAP_FLY");
  Identity identity;
  std::vector<std::string> degraded;
  absl::Status status = PlanCapabilities(security, Host(), identity, degraded);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "capabilities: unknown capability \"CAP_FLY\"");
}

}  // namespace
}  // namespace gantry::plan
