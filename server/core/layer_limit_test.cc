#include "server/core/layer_limit.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::core {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

constexpr uint64_t kMi = 1 << 20;

template <typename Record>
Record With(const char* size) {
  Record record;
  if (size != nullptr) {
    (*record.mutable_annotations())[std::string(kLayerSizeAnnotation)] = size;
  }
  return record;
}

absl::StatusOr<uint64_t> Limit(uint64_t node_limit, const char* container,
                               const char* pod = nullptr) {
  return LayerLimit(node_limit, With<record::ContainerRecord>(container),
                    With<record::PodRecord>(pod));
}

TEST(LayerLimit, IsTheNodesUnlessAnAnnotationSaysLess) {
  EXPECT_THAT(Limit(0, nullptr), IsOkAndHolds(0));
  EXPECT_THAT(Limit(9 * kMi, nullptr), IsOkAndHolds(9 * kMi));
  EXPECT_THAT(Limit(9 * kMi, "3Mi"), IsOkAndHolds(3 * kMi));
  EXPECT_THAT(Limit(9 * kMi, "9Mi"), IsOkAndHolds(9 * kMi));
  EXPECT_THAT(Limit(0, "3Mi"), IsOkAndHolds(3 * kMi));
  EXPECT_THAT(Limit(0, "0"), IsOkAndHolds(0));
}

TEST(LayerLimit, TheContainersAnnotationGoesBeforeThePods) {
  EXPECT_THAT(Limit(0, nullptr, "5Mi"), IsOkAndHolds(5 * kMi));
  EXPECT_THAT(Limit(0, "7Mi", "5Mi"), IsOkAndHolds(7 * kMi));
}

// CVE-2023-6476: annotations must not lift the node's limits. Fails without
// the comparison with node_limit.
TEST(LayerLimit, AnnotationsNeverRaiseTheNodesLimit) {
  for (const char* more : {"10Mi", "0", "1Ti"}) {
    EXPECT_THAT(Limit(9 * kMi, more),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("at most the 9Mi")));
    EXPECT_THAT(Limit(9 * kMi, nullptr, more),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("annotation of the pod")));
  }
}

TEST(LayerLimit, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "much", "-1", "10G", "1.5Gi", "4096", "1023Ki",
                           "10Gi\n", "18446744073709551616"}) {
    EXPECT_THAT(Limit(0, text), StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr("such as \"10Gi\"")))
        << text;
  }
}

}  // namespace
}  // namespace gantry::core
