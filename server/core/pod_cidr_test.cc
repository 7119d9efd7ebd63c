#include "server/core/pod_cidr.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::core {
namespace {

using testing::StatusIs;

TEST(PodCidr, IsKeptForTheNextServer) {
  sys::testing::FakeTree tree;
  absl::Status problem;
  {
    PodCidr cidr(*sys::Duplicate(tree.fd()), &problem);
    EXPECT_OK(problem);
    EXPECT_EQ(cidr.Get(), "");
    EXPECT_OK(cidr.Set("10.1.0.0/16,fd00::/64"));
  }
  PodCidr cidr(*sys::Duplicate(tree.fd()), &problem);
  EXPECT_OK(problem);
  EXPECT_EQ(cidr.Get(), "10.1.0.0/16,fd00::/64");
}

TEST(PodCidr, ADamagedFileIsNone) {
  sys::testing::FakeTree tree;
  tree.Write("pod_cidr", "10.1.0.0/16");
  absl::Status problem;
  PodCidr cidr(*sys::Duplicate(tree.fd()), &problem);
  EXPECT_THAT(problem, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(cidr.Get(), "");
  EXPECT_OK(cidr.Set("10.2.0.0/16"));
  EXPECT_EQ(cidr.Get(), "10.2.0.0/16");
}

}  // namespace
}  // namespace gantry::core
