#include "shim/donation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::shim {
namespace {

using ::gantry::testing::IsOk;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

plan::ContainerPlan PlanThatJoinsAll() {
  plan::ContainerPlan plan;
  plan.mutable_stdio()->set_log_path("/log");
  plan::NamespacePlan* namespaces = plan.mutable_namespaces();
  namespaces->set_network(plan::NamespacePlan::JOIN);
  namespaces->set_ipc(plan::NamespacePlan::JOIN);
  namespaces->set_uts(plan::NamespacePlan::JOIN);
  namespaces->set_pid(plan::NamespacePlan::JOIN);
  namespaces->set_user(plan::NamespacePlan::JOIN);
  return plan;
}

TEST(Donation, NumbersFollowTheDocumentedOrder) {
  Donation numbers = DonatedNumbers(PlanThatJoinsAll());
  EXPECT_EQ(numbers, (Donation{3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(numbers.handshake, kHandshakeFd);
  EXPECT_EQ(numbers.plan, kPlanFd);
}

TEST(Donation, WhatThePlanDoesNotWantTakesNoNumber) {
  plan::ContainerPlan plan;
  plan.mutable_namespaces()->set_network(plan::NamespacePlan::NEW);
  plan.mutable_namespaces()->set_pid(plan::NamespacePlan::JOIN);
  Donation numbers = DonatedNumbers(plan);
  EXPECT_EQ(numbers.log, -1);
  EXPECT_EQ(numbers.network, -1);
  EXPECT_EQ(numbers.pid, 6);
}

TEST(Donation, ServerAndShimAgree) {
  plan::ContainerPlan plan = PlanThatJoinsAll();
  plan.mutable_namespaces()->set_ipc(plan::NamespacePlan::HOST);
  Donation donation{100, 101, 102, 103, 104, 105, 106, 107, 108};
  auto fds = DonatedFds(plan, donation);
  ASSERT_THAT(fds, IsOk());
  EXPECT_THAT(*fds, ElementsAre(100, 101, 102, 103, 104, 106, 107, 108));
  Donation numbers = DonatedNumbers(plan);
  EXPECT_EQ((*fds)[numbers.uts - kFirstDonatedFd], donation.uts);
  EXPECT_EQ((*fds)[numbers.user - kFirstDonatedFd], donation.user);
}

TEST(Donation, MissingDescriptorIsNamed) {
  plan::ContainerPlan plan = PlanThatJoinsAll();
  plan.set_container_id("c1");
  Donation donation{100, 101, 102, 103, -1, 105, 106, 107, 108};
  EXPECT_THAT(DonatedFds(plan, donation),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("c1: donated descriptor 7 is missing")));
}

}  // namespace
}  // namespace gantry::shim
